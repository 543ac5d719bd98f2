//! What commands have in common: the number an answer refers to, and whether one is wanted.

use super::Command;

macro_rules! base_commands {
    ($command:ident, $structure:ident => $found:expr, $other:expr) => {
        match $command {
            Command::BrokerInfo($structure) => $found,
            Command::ConnectionInfo($structure) => $found,
            Command::SessionInfo($structure) => $found,
            Command::ConsumerInfo($structure) => $found,
            Command::ProducerInfo($structure) => $found,
            Command::TransactionInfo($structure) => $found,
            Command::DestinationInfo($structure) => $found,
            Command::RemoveSubscriptionInfo($structure) => $found,
            Command::KeepAliveInfo($structure) => $found,
            Command::ShutdownInfo($structure) => $found,
            Command::RemoveInfo($structure) => $found,
            Command::ControlCommand($structure) => $found,
            Command::FlushCommand($structure) => $found,
            Command::ConnectionError($structure) => $found,
            Command::ConsumerControl($structure) => $found,
            Command::ConnectionControl($structure) => $found,
            Command::ProducerAck($structure) => $found,
            Command::MessagePull($structure) => $found,
            Command::MessageDispatch($structure) => $found,
            Command::MessageAck($structure) => $found,
            Command::Response($structure) => $found,
            Command::ExceptionResponse($structure) => $found,
            Command::DataResponse($structure) => $found,
            Command::DataArrayResponse($structure) => $found,
            Command::IntegerResponse($structure) => $found,
            Command::ReplayCommand($structure) => $found,
            Command::MessageDispatchNotification($structure) => $found,
            Command::BrokerSubscriptionInfo($structure) => $found,
            Command::Message($structure) => $found,
            Command::WireFormatInfo(_)
            | Command::DiscoveryEvent(_)
            | Command::JournalTopicAck(_)
            | Command::JournalQueueAck(_)
            | Command::JournalTrace(_)
            | Command::JournalTransaction(_)
            | Command::SubscriptionInfo(_)
            | Command::PartialCommand(_)
            | Command::LastPartialCommand(_)
            | Command::NetworkBridgeFilter(_)
            | Command::MessageId(_)
            | Command::LocalTransactionId(_)
            | Command::XaTransactionId(_)
            | Command::ConnectionId(_)
            | Command::SessionId(_)
            | Command::ConsumerId(_)
            | Command::ProducerId(_)
            | Command::BrokerId(_)
            | Command::Destination(_) => $other,
        }
    };
}

impl Command {
    /// The number by which an answer refers to this command; 0 for what is not a command.
    #[must_use]
    pub const fn command_id(&self) -> i32 {
        base_commands!(self, command => command.command_id, 0)
    }

    /// Numbers the command; nothing happens to what is not a command.
    pub const fn set_command_id(&mut self, id: i32) {
        base_commands!(self, command => command.command_id = id, ());
    }

    /// Whether the sender wants an answer.
    #[must_use]
    pub const fn is_response_required(&self) -> bool {
        base_commands!(self, command => command.response_required, false)
    }

    /// Says whether an answer is wanted; nothing happens to what is not a command.
    pub const fn set_response_required(&mut self, required: bool) {
        base_commands!(self, command => command.response_required = required, ());
    }

    /// The number of the command this answers, if it is an answer.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most commands are no answers; tested below"
    )]
    pub fn correlation_id(&self) -> Option<i32> {
        match self {
            Self::Response(response) => Some(response.correlation_id),
            Self::ExceptionResponse(response) => Some(response.correlation_id),
            Self::DataResponse(response) => Some(response.correlation_id),
            Self::DataArrayResponse(response) => Some(response.correlation_id),
            Self::IntegerResponse(response) => Some(response.correlation_id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_has_a_number_can_be_numbered() {
        for row in Command::schema() {
            let mut command = Command::named(row.name).unwrap();
            let is_base = row.fields().any(|field| field.name == "response_required");
            command.set_command_id(77);
            command.set_response_required(true);
            assert_eq!(command.command_id() == 77, is_base, "{}", row.name);
            assert_eq!(command.is_response_required(), is_base, "{}", row.name);
        }
    }

    #[test]
    fn answers_and_nothing_else_refer_to_a_command() {
        for row in Command::schema() {
            let command = Command::named(row.name).unwrap();
            let is_answer = row
                .fields()
                .any(|field| field.name == "correlation_id" && field.kind == crate::Kind::Int);
            assert_eq!(command.correlation_id().is_some(), is_answer, "{}", row.name);
        }
    }
}
