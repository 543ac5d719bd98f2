//! Requests and replies over a temporary queue.

use rewire_protocol::{DestinationKind, MessageDispatch, MessageKind};

use super::*;

async fn requester(session: &Session, broker: &mut Client) -> (crate::Requester, ConsumerId) {
    let queue = Queue::new("PRICES");
    let declared = async {
        broker.expect("DestinationInfo").await;
        let Command::ConsumerInfo(info) = broker.expect("ConsumerInfo").await else { panic!() };
        broker.expect("ProducerInfo").await;
        info.consumer_id.unwrap()
    };
    let (requester, id) = tokio::join!(session.requester(&queue), declared);
    (requester.unwrap(), id)
}

async fn reply(broker: &mut Client, to: &ConsumerId, correlation_id: &str) {
    let message_id =
        Some(rewire_protocol::ConnectionId::new("ID:p:1").session(1).producer(1).message(1));
    let message = rewire_protocol::Message {
        kind: MessageKind::Text,
        message_id,
        correlation_id: Some(correlation_id.into()),
        ..Default::default()
    };
    let (consumer_id, message) = (Some(to.clone()), Some(Box::new(message)));
    broker.send(MessageDispatch { consumer_id, message, ..Default::default() }).await;
}

#[tokio::test]
async fn a_request_names_its_reply_queue_and_gets_the_reply_that_is_its_own() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut requester, id) = requester(&session, &mut broker).await;
    let answering = async {
        let Command::Message(request) = broker.expect("ActiveMQTextMessage").await else {
            panic!()
        };
        let reply_to = request.reply_to.unwrap();
        assert_eq!(reply_to.kind, DestinationKind::TempQueue);
        assert_eq!(reply_to.physical_name.to_string(), format!("{}:1", connection.id()));
        assert_eq!(request.correlation_id.unwrap(), "1");
        reply(&mut broker, &id, "of another time").await;
        reply(&mut broker, &id, "1").await;
    };
    let (reply, ()) = tokio::join!(requester.request("12 anvils", DEADLINE), answering);
    assert_eq!(reply.unwrap().headers().correlation_id.as_ref().unwrap(), "1");
}

#[tokio::test]
async fn a_request_without_a_reply_ends_in_time_and_the_queue_goes_after_its_consumer() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut requester, _) = requester(&session, &mut broker).await;
    let asked = requester.request("12 anvils", std::time::Duration::from_millis(50));
    let (asked, _) = tokio::join!(asked, broker.expect("ActiveMQTextMessage"));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Timeout);
    drop(requester);
    let mut removed = Vec::new();
    while removed.last() != Some(&"DestinationInfo") {
        let command = broker.command().await;
        if command.is_response_required() {
            broker.answer(&command).await;
        }
        if let Command::RemoveInfo(info) = &command {
            removed.push(info.object_id.as_deref().unwrap().name());
        } else {
            removed.push(command.name());
        }
    }
    assert!(removed.contains(&"ConsumerId"), "{removed:?}");
}

#[tokio::test]
async fn a_subscription_that_a_lost_broker_may_have_ended_is_ended() {
    let peer = Peer::start().await;
    let uri = format!("{}?jms.clientID=billing", peer.uri());
    let (_connection, session, mut broker) = session_at(&peer, &uri, AckMode::Auto).await;
    let unsubscribe = session.unsubscribe("s");
    let broker = async {
        let Command::RemoveSubscriptionInfo(end) = broker.command().await else { unreachable!() };
        assert_eq!(end.client_id.as_ref().unwrap(), "billing");
        assert_eq!(end.subscription_name.as_ref().unwrap(), "s");
        drop(broker);
        let mut broker = peer.accept().await;
        broker.expect_all(&["ConnectionControl", "ConnectionInfo", "SessionInfo"]).await;
        let again = broker.command().await;
        broker.refuse(&again, "javax.jms.InvalidDestinationException", "no such thing").await;
        broker
    };
    let (ended, mut broker) = tokio::join!(unsubscribe, broker);
    ended.unwrap();

    // Of a broker that was there all the time it is true.
    let refusing = async {
        let end = broker.command().await;
        broker.refuse(&end, "javax.jms.InvalidDestinationException", "no such thing").await;
    };
    let (ended, ()) = tokio::join!(session.unsubscribe("s"), refusing);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Refused);
}
