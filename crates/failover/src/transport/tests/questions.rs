//! The link's own questions: what a scripted broker is asked, and that the application hears none of it.

use rewire_protocol::{FlushCommand, KeepAliveInfo};
use tokio::io::DuplexStream;

use super::*;

/// The next command, the link's own questions not being answered.
async fn raw(client: &mut Client<DuplexStream>) -> Command {
    loop {
        if let Some(LinkEvent::Command(command)) = client.core.poll_event(now()).unwrap() {
            return command;
        }
        let read = client.stream.read_buf(client.core.read_buffer());
        assert!(timeout(DEADLINE, read).await.unwrap().unwrap() > 0, "the client has closed");
        client.core.on_read(now());
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_question_is_never_taken_for_an_applications() {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start("&detectTimeout=300");
    let mut client = net.connected(&transport, &mut deliveries).await;
    let request = transport.request(FlushCommand::default().into());
    tokio::pin!(request);
    // The broker takes its time for it, and answers each question meanwhile.
    let asked_for = tokio::select! {
        command = raw(&mut client) => command,
        done = &mut request => panic!("{done:?}"),
    };
    assert_ne!(asked_for.command_id(), QUESTION_ID);
    for refused in [false, true, false] {
        let question = tokio::select! {
            question = raw(&mut client) => question,
            done = &mut request => panic!("{done:?}"),
        };
        let correlation_id = question.command_id();
        assert_eq!(correlation_id, QUESTION_ID);
        if refused {
            let exception = Some(Box::new(Throwable::new("IllegalStateException", "no")));
            let refusal =
                ExceptionResponse { correlation_id, exception, ..ExceptionResponse::default() };
            client.send(refusal).await;
        } else {
            client.answer(&question).await;
        }
    }
    client.answer(&asked_for).await;
    within(request).await.unwrap();
    assert!(timeout(Duration::from_millis(50), deliveries.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_standby_is_asked_before_there_is_a_connection_over_it() {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start("&backup=true&detectTimeout=300");
    let _client = net.connected(&transport, &mut deliveries).await;
    let (_, mut standby) = net.accept().await;
    let question = raw(&mut standby).await;
    assert_eq!((question.name(), question.command_id()), ("FlushCommand", QUESTION_ID));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_asks_by_a_keep_alive_is_answered() {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start("");
    let mut client = net.connected(&transport, &mut deliveries).await;
    let before = now();
    client.send(KeepAliveInfo { command_id: 0, response_required: true }).await;
    // A keep-alive never becomes an event: its bytes are what is waited for.
    let read = client.stream.read_buf(client.core.read_buffer());
    assert!(within(read).await.unwrap() > 0);
    assert_eq!(now(), before);
}
