use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Direction, Ending, FaultProxy, ProxyEvent};

const SOON: Duration = Duration::from_secs(10);
/// How long nothing has to come for a hole to be one.
const A_WHILE: Duration = Duration::from_millis(100);

/// A client and the broker's end of its connection, with the proxy between.
struct Line {
    proxy: FaultProxy,
    broker: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Line {
    fn open() -> Self {
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = FaultProxy::start(broker.local_addr().unwrap().port());
        let client = dial(&proxy);
        let server = accept(&broker);
        Self { proxy, broker, client, server }
    }
}

fn dial(proxy: &FaultProxy) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client
}

fn accept(broker: &TcpListener) -> TcpStream {
    let (server, _) = broker.accept().unwrap();
    server.set_read_timeout(Some(SOON)).unwrap();
    server
}

fn passes(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    to.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

fn hears_nothing(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(A_WHILE)).unwrap();
    let error = socket.read(&mut [0; 5]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    socket.set_read_timeout(Some(SOON)).unwrap();
}

fn hears_a_reset(socket: &mut TcpStream) {
    let error = socket.read(&mut [0; 5]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[expect(clippy::disallowed_methods, reason = "real time is measured")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn what_is_written_at_one_end_comes_out_at_the_other_and_so_does_the_end() {
    let mut line = Line::open();
    passes(&mut line.client, &mut line.server);
    passes(&mut line.server, &mut line.client);
    assert_eq!((line.proxy.accepted(), line.proxy.open()), (1, 1));
    drop(line.client);
    assert_eq!(line.server.read(&mut [0; 5]).unwrap(), 0);
    drop(line.server);
    line.proxy.shared.wait_for("the connection is over", |counts| counts.open.is_empty());
}

#[test]
fn a_black_hole_swallows_one_way_or_both_and_gives_back_when_it_is_cleared() {
    let mut line = Line::open();
    line.proxy.black_hole(Direction::ToClient);
    passes(&mut line.client, &mut line.server);
    line.server.write_all(b"hello").unwrap();
    hears_nothing(&mut line.client);
    line.proxy.black_hole(Direction::Both);
    line.client.write_all(b"hello").unwrap();
    hears_nothing(&mut line.server);
    line.proxy.clear();
    for socket in [&mut line.client, &mut line.server] {
        let mut heard = [0; 5];
        socket.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}

#[test]
fn a_client_in_a_black_hole_is_accepted_and_the_broker_never_hears_of_it() {
    let line = Line::open();
    line.proxy.black_hole(Direction::Both);
    let mut lost = dial(&line.proxy);
    lost.write_all(b"hello").unwrap();
    hears_nothing(&mut lost);
    line.broker.set_nonblocking(true).unwrap();
    assert_eq!(line.broker.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_reset_is_an_error_at_both_ends_and_the_next_connection_is_fine() {
    let mut line = Line::open();
    passes(&mut line.client, &mut line.server);
    line.proxy.reset();
    hears_a_reset(&mut line.client);
    hears_a_reset(&mut line.server);
    let mut client = dial(&line.proxy);
    let mut server = accept(&line.broker);
    passes(&mut client, &mut server);
}

#[test]
fn a_client_in_a_black_hole_is_reset_too() {
    let line = Line::open();
    line.proxy.black_hole(Direction::Both);
    let mut lost = dial(&line.proxy);
    line.proxy.shared.wait_for("both are accepted", |counts| counts.accepted == 2);
    line.proxy.reset();
    hears_a_reset(&mut lost);
}

#[test]
fn a_half_closed_connection_ends_one_way_and_goes_on_the_other() {
    let mut line = Line::open();
    line.proxy.half_close(Direction::ToClient);
    assert_eq!(line.client.read(&mut [0; 5]).unwrap(), 0);
    passes(&mut line.client, &mut line.server);
    let mut client = dial(&line.proxy);
    let mut server = accept(&line.broker);
    passes(&mut server, &mut client);
}

#[test]
fn a_delay_holds_back_for_so_long() {
    let mut line = Line::open();
    line.proxy.delay(Direction::ToBroker, Duration::from_millis(50));
    let since = now();
    passes(&mut line.client, &mut line.server);
    assert!(since.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_cut_comes_after_exactly_so_many_bytes() {
    let mut line = Line::open();
    line.proxy.cut_after(Direction::ToBroker, 8);
    passes(&mut line.client, &mut line.server);
    line.client.write_all(b"hello").unwrap();
    let mut heard = [0; 3];
    line.server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hel");
    hears_a_reset(&mut line.client);
    line.proxy.shared.wait_for("the connection is over", |counts| counts.open.is_empty());
}

#[test]
fn refused_is_refused_by_the_kernel_until_it_is_cleared() {
    let mut line = Line::open();
    line.proxy.refuse();
    let refused = TcpStream::connect(("127.0.0.1", line.proxy.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    passes(&mut line.client, &mut line.server);
    line.proxy.clear();
    let mut client = dial(&line.proxy);
    let mut server = accept(&line.broker);
    passes(&mut client, &mut server);
}

#[test]
fn a_redirected_client_finds_the_other_broker() {
    let line = Line::open();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    line.proxy.redirect(&format!("tcp://{}", other.local_addr().unwrap()));
    let mut client = dial(&line.proxy);
    let mut server = accept(&other);
    passes(&mut client, &mut server);
}

#[test]
fn where_there_is_no_broker_the_client_is_reset() {
    let line = Line::open();
    drop(line.broker);
    hears_a_reset(&mut dial(&line.proxy));
}

#[test]
fn a_port_stays_its_own_while_connections_are_refused() {
    let line = Line::open();
    line.proxy.refuse();
    let others: Vec<_> = (0..100).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports = others.iter().map(|other| other.local_addr().unwrap().port());
    assert!(ports.into_iter().all(|port| port != line.proxy.port()));
    line.proxy.clear();
    dial(&line.proxy);
}

#[test]
fn a_delay_does_not_narrow_the_line() {
    const BYTES: usize = 2 << 20;
    let mut line = Line::open();
    line.proxy.delay(Direction::ToBroker, Duration::from_millis(100));
    let since = now();
    let mut client = line.client;
    let writer = std::thread::spawn(move || client.write_all(&vec![7; BYTES]).map(|()| client));
    line.server.read_exact(&mut vec![0; BYTES]).unwrap();
    // One piece after the other, of 64 KiB each, would be more than three seconds.
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    drop(writer.join().unwrap().unwrap());
}

#[test]
fn a_throttle_lets_so_much_through_in_a_second() {
    let mut line = Line::open();
    line.proxy.throttle(Direction::ToClient, 10_000);
    let since = now();
    line.server.write_all(&[7; 2_000]).unwrap();
    let mut heard = [0; 2_000];
    line.client.read_exact(&mut heard).unwrap();
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(150), "{took:?}");
    passes(&mut line.client, &mut line.server);
}

#[test]
fn an_answer_is_left_out_and_what_comes_after_it_is_there() {
    let mut line = Line::open();
    let mut events = line.proxy.events();
    line.proxy.drop_replies(1);
    let (info, answer) = ([0, 0, 0, 2, 1, 9], [0, 0, 0, 2, 30, 9]);
    line.server.write_all(&[answer, info, answer].concat()).unwrap();
    let mut heard = [0; 12];
    line.client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, *[info, answer].concat());
    assert_eq!(events.blocking_recv().unwrap(), ProxyEvent::ReplyDropped { connection: 1 });
}

#[test]
fn a_connection_is_cut_in_place_of_an_answer() {
    let mut line = Line::open();
    let mut events = line.proxy.events();
    line.proxy.cut_replies(1);
    let (info, answer) = ([0, 0, 0, 2, 1, 9], [0, 0, 0, 2, 30, 9]);
    line.server.write_all(&[info, answer].concat()).unwrap();
    let mut heard = [0; 6];
    line.client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, info);
    hears_a_reset(&mut line.client);
    let closed =
        ProxyEvent::Closed { connection: 1, why: Ending::ReplyCut, to_broker: 0, to_client: 6 };
    assert_eq!(events.blocking_recv().unwrap(), closed);
}

#[test]
fn an_address_that_cannot_be_used_is_named() {
    for (listen, to, why) in [
        (
            "tcp://127.0.0.1:0",
            "127.0.0.1:1",
            "127.0.0.1:1: only tcp://host:port can be forwarded to",
        ),
        ("ssl://a:1", "tcp://b:1", "ssl://a:1: only tcp://host:port can be listened on"),
        ("tcp://127.0.0.1:0", "tcp://b:x", "tcp://b:x: its port is none"),
    ] {
        assert_eq!(FaultProxy::between(listen, to).unwrap_err().to_string(), why);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("tcp://{}", taken.local_addr().unwrap());
    assert!(FaultProxy::between(&listen, "tcp://127.0.0.1:1").is_err());
}
