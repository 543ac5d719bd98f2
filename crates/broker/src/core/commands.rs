//! A command of a client: which it is, and what it is answered with.

use rewire_protocol::{
    Command, ConnectionError, ExceptionResponse, IntegerResponse, RemoveInfo, Response,
};

use super::BrokerCore;
use super::error::{BrokerError, ErrorKind};
use super::io::{LinkId, Output};
use super::keys::SubKey;
use super::persist::Work;
use super::transactions::Vote;

/// What came of a command.
enum Done {
    /// It is answered now, if an answer is wanted.
    Yes,
    /// It is answered elsewhere.
    Later,
    /// It is answered with this.
    With(Box<Command>),
    /// It is answered, and then this consumer gets what waits for it.
    Consuming(SubKey),
    /// It is answered, and then the client is greeted.
    Connected,
}

impl BrokerCore {
    pub(super) fn on_command(&mut self, link: LinkId, command: Command) {
        if self.registry.links.get(&link).is_none_or(|link| link.refused) {
            return;
        }
        if let Command::Message(message) = command {
            self.on_message(link, message);
            return;
        }
        let (number, wants_answer) = (command.command_id(), command.is_response_required());
        let transaction = match &command {
            Command::MessageAck(ack) if !wants_answer => ack.transaction_id.clone(),
            _ => None,
        };
        let batches = self.unstored.batches();
        let done = match self.obey(link, command) {
            Ok(done) => done,
            Err(error) => {
                if let Some(id) = transaction {
                    self.break_transaction(&id, &error);
                }
                return self.refuse(link, number, wants_answer, &error);
            }
        };
        // What is answered outlives the broker, and so does all that the client said before.
        let waits = wants_answer && self.unstored.batches() > batches;
        let mut work = Work { link: Some(link), waits, ..Work::default() };
        work.answer = wants_answer.then_some(number);
        match done {
            Done::Later => return,
            Done::Yes => {}
            Done::With(mut reply) => {
                set_correlation_id(&mut reply, number);
                work.reply = work.answer.take().map(|_| reply);
            }
            Done::Consuming(key) => work.start = Some(key),
            Done::Connected => {
                self.perform(work);
                return self.greet(link);
            }
        }
        if wants_answer || work.start.is_some() {
            self.submit(work);
        }
    }

    fn obey(&mut self, link: LinkId, command: Command) -> Result<Done, BrokerError> {
        let done = Ok(Done::Yes);
        match command {
            Command::ConnectionInfo(info) => {
                self.on_connection_info(link, info).map(|()| Done::Connected)
            }
            Command::SessionInfo(info) => self.on_session_info(link, &info).map(|()| Done::Yes),
            Command::ProducerInfo(info) => self.on_producer_info(link, *info).map(|()| Done::Yes),
            Command::ConsumerInfo(info) => {
                let sub = self.on_consumer_info(link, info)?;
                Ok(sub.map_or(Done::Yes, Done::Consuming))
            }
            Command::MessageAck(ack) => self.on_ack(link, &ack).map(|()| Done::Yes),
            Command::MessagePull(pull) => self.on_pull(link, &pull).map(|()| Done::Yes),
            Command::TransactionInfo(info) => Ok(match self.on_transaction_info(link, &info)? {
                Vote::Done => Done::Yes,
                Vote::Later => Done::Later,
                Vote::Command(answer) => Done::With(answer),
            }),
            Command::DestinationInfo(info) => {
                self.on_destination_info(link, &info).map(|()| Done::Yes)
            }
            Command::RemoveSubscriptionInfo(info) => {
                self.on_remove_subscription(link, &info).map(|()| Done::Yes)
            }
            Command::RemoveInfo(info) => self.on_remove(link, &info).map(|()| Done::Yes),
            Command::ConsumerControl(control) => {
                self.on_consumer_control(link, &control);
                done
            }
            Command::ConnectionControl(control) => {
                let key = self.registry.of_link(link);
                if let Some(connection) = key.and_then(|key| self.registry.connection(key)) {
                    connection.info.fault_tolerant |= control.fault_tolerant;
                }
                if let Some(key) = key.filter(|_| control.fault_tolerant) {
                    self.cluster.on_movable(key.0);
                }
                done
            }
            Command::ShutdownInfo(_) => {
                self.outputs.push_back(Output::HangUp(link));
                done
            }
            // Whatever was asked to be flushed was, when it was answered.
            Command::FlushCommand(_) | Command::KeepAliveInfo(_) => done,
            Command::BrokerInfo(info) => self.on_broker_info(link, info).map(|()| Done::Yes),
            // A bridge says what it is subscribed to: nothing is forwarded yet.
            Command::BrokerSubscriptionInfo(_) => done,
            // A client has heard something that it does not like.
            Command::ConnectionError(_)
            | Command::Response(_)
            | Command::ExceptionResponse(_)
            | Command::DataResponse(_)
            | Command::DataArrayResponse(_)
            | Command::IntegerResponse(_) => done,
            other => {
                let problem = format!("a client does not send {}", other.name());
                Err(BrokerError::new(ErrorKind::IllegalState, problem))
            }
        }
    }

    /// Something of a connection ends, or all of it.
    fn on_remove(&mut self, link: LinkId, info: &RemoveInfo) -> Result<(), BrokerError> {
        match info.object_id.as_deref() {
            Some(Command::ConsumerId(id)) => self.on_remove_consumer(link, id, info),
            Some(Command::ProducerId(id)) => self.on_remove_producer(link, id),
            Some(Command::SessionId(id)) => self.on_remove_session(link, id, info),
            Some(Command::ConnectionId(_)) => {
                if let Some(key) = self.registry.of_link(link) {
                    self.end_connection(key, info.last_delivered_sequence_id);
                }
            }
            Some(other) => {
                let problem = format!("{} cannot be removed", other.name());
                return Err(BrokerError::jms(problem));
            }
            None => return Err(BrokerError::jms("a RemoveInfo that does not say of what")),
        }
        Ok(())
    }

    pub(super) fn respond(&mut self, link: LinkId, correlation_id: i32) {
        self.transmit(link, Response { correlation_id, ..Response::default() });
    }

    /// A command failed: whoever waits for its answer hears it, else the connection does.
    pub(super) fn refuse(
        &mut self,
        link: LinkId,
        number: i32,
        wants_answer: bool,
        error: &BrokerError,
    ) {
        let exception = Some(Box::new(error.to_throwable()));
        if wants_answer {
            let correlation_id = number;
            let answer =
                ExceptionResponse { correlation_id, exception, ..ExceptionResponse::default() };
            self.transmit(link, answer);
            return;
        }
        let key = self.registry.of_link(link);
        let connection = key.and_then(|key| self.registry.connection(key));
        let connection_id = connection.map(|connection| connection.id.clone());
        let error = ConnectionError { exception, connection_id, ..ConnectionError::default() };
        self.transmit(link, error);
    }
}

fn set_correlation_id(answer: &mut Command, number: i32) {
    match answer {
        Command::IntegerResponse(IntegerResponse { correlation_id, .. }) => {
            *correlation_id = number
        }
        Command::DataArrayResponse(response) => response.correlation_id = number,
        _ => {}
    }
}
