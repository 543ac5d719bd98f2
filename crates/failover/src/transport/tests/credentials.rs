//! Credentials that a provider is asked for on every attempt.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{Credentials, DialError};

/// Another password each time it is asked, from 1.
fn rotating() -> Arc<dyn CredentialsProvider> {
    let asked = AtomicU32::new(0);
    Arc::new(move |broker: String| {
        let password = (asked.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        async move { Ok::<_, std::io::Error>(Credentials::new(format!("client of {broker}"), password)) }
    })
}

/// Who a broker is told that the client is.
async fn told<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> (String, String) {
    loop {
        let command = client.command().await;
        if let Command::ConnectionInfo(info) = &command {
            client.answer(&command).await;
            return (
                info.user_name.as_ref().unwrap().to_string(),
                info.password.as_ref().unwrap().to_string(),
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_shows_the_password_of_the_moment_also_in_a_replay() {
    let mut net = Pipes::new();
    net.config.credentials = Some(rotating());
    let (transport, mut deliveries) = net.start("");
    let request = transport.submit(connection_info(), Completion::Answered, None).await;
    let (_, mut client) = net.accept().await;
    assert_eq!(told(&mut client).await, ("client of tcp://a:1".to_owned(), "1".to_owned()));
    within(request).await.unwrap();
    // The first attempt after that is not taken far enough to show anything.
    drop(client);
    drop(net.dialled().await);
    let (_, mut client) = net.accept().await;
    assert_eq!(told(&mut client).await, ("client of tcp://a:1".to_owned(), "3".to_owned()));
    while !matches!(within(deliveries.next()).await, Some(Incoming::Interrupted(_))) {}
    assert!(matches!(within(deliveries.next()).await, Some(Incoming::Resumed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_refused_is_asked_for_again_and_not_the_end() {
    let mut net = Pipes::new();
    net.config.credentials = Some(rotating());
    let (transport, mut deliveries) = net.start("");
    drop(net.connected(&transport, &mut deliveries).await);
    for password in ["2", "3", "4"] {
        let (_, mut client) = net.accept().await;
        assert_eq!(client.command().await.name(), "ConnectionControl");
        let command = client.command().await;
        let Command::ConnectionInfo(info) = &command else { panic!("{command:?}") };
        assert_eq!(info.password.as_ref().unwrap(), password);
        let exception = Some(Box::new(Throwable::new("java.lang.SecurityException", "old")));
        let correlation_id = command.command_id();
        client.send(ExceptionResponse { correlation_id, exception, ..Default::default() }).await;
        assert!(client.event().await.is_none());
    }
    let (_, mut client) = net.accept().await;
    assert_eq!(told(&mut client).await.1, "5");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_hangs_or_panics_is_a_failed_attempt_and_the_round_goes_on() {
    for (case, problem) in [
        ("fails", "no credentials: the vault is sealed"),
        ("hangs", "no credentials: the provider said nothing within 2000 ms"),
        ("panics", "no credentials: the provider has panicked"),
    ] {
        let mut net = Pipes::new();
        net.config.credentials_timeout = Duration::from_secs(2);
        net.config.credentials = Some(Arc::new(move |broker: String| async move {
            match case {
                _ if broker == "tcp://b:1" => Ok(Credentials::new("u", "p")),
                "fails" => Err(std::io::Error::other("the vault is sealed")),
                "hangs" => std::future::pending().await,
                _ => panic!("on purpose"),
            }
        }));
        let (transport, _deliveries) = net.start("");
        let mut events = transport.events();
        let (location, _client) = net.accept().await;
        assert_eq!(location, "tcp://b:1");
        let Event::AttemptFailed { broker, error, .. } = within(events.recv()).await.unwrap()
        else {
            panic!("an attempt failed")
        };
        assert_eq!(broker, "tcp://a:1");
        assert!(matches!(error, DialError::Credentials(_)));
        assert_eq!(error.to_string(), problem);
    }
}

#[test]
fn a_password_is_not_shown() {
    let credentials = Credentials::new("billing", "hunter2");
    let config = TransportConfig { credentials: Some(rotating()), ..TransportConfig::default() };
    let shown = format!("{credentials:?} {config:?}");
    assert!(shown.contains("billing") && !shown.contains("hunter2"), "{shown}");
}
