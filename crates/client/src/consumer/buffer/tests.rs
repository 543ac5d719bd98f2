//! What the queue of a consumer promises.

use super::*;

fn buffer_of(prefetch: u32, comes_again: bool) -> Buffer {
    Buffer::new(Destination::queue("Q"), prefetch, comes_again)
}

fn message(priority: i8) -> Dispatched {
    let message = Box::new(Message { priority, ..Message::default() });
    Dispatched {
        link: crate::tests::link(1),
        message,
        redelivery_counter: 0,
        number: 0,
        is_again: false,
    }
}

fn take_out(buffer: &Buffer, batch: &mut Batch) -> Option<Dispatched> {
    match buffer.poll_next(batch, &Context::from_waker(Waker::noop())) {
        Poll::Ready(Next::Message(dispatched)) => Some(dispatched),
        Poll::Ready(Next::Nothing | Next::End(_)) | Poll::Pending => None,
    }
}

fn take(buffer: &Buffer, batch: &mut Batch) -> Option<i8> {
    take_out(buffer, batch).map(|dispatched| dispatched.message.priority)
}

#[test]
fn what_was_taken_out_but_not_handed_out_goes_when_the_buffer_is_emptied() {
    let (buffer, mut batch) = (buffer_of(10, true), Batch::default());
    assert!(buffer.push(message(1)) && buffer.push(message(2)));
    assert_eq!(take(&buffer, &mut batch), Some(1));
    buffer.empty();
    assert!(buffer.push(message(3)));
    assert_eq!(take(&buffer, &mut batch), Some(3));
    assert_eq!(take(&buffer, &mut batch), None);
}

#[test]
fn what_does_not_come_again_is_kept_when_the_link_is_gone() {
    let (buffer, mut batch) = (buffer_of(2, false), Batch::default());
    for n in 0..3 {
        assert!(buffer.push(message(n)));
    }
    assert!(buffer.leave(crate::tests::link(1)).is_some());
    assert!(buffer.push(message(3)));
    buffer.empty();
    // Two windows are not kept, or a consumer that is not read would gather one with each failover.
    assert_eq!(take(&buffer, &mut batch), Some(0));
    assert_eq!(take(&buffer, &mut batch), Some(1));
    assert_eq!(take(&buffer, &mut batch), None);
}

#[test]
fn nothing_more_is_taken_from_a_link_that_is_being_left() {
    let (buffer, mut batch) = (buffer_of(10, true), Batch::default());
    assert!(buffer.push(message(1)));
    assert!(buffer.leave(crate::tests::link(1)).is_some());
    assert!(buffer.push(message(2)));
    assert_eq!(take(&buffer, &mut batch), None);
    buffer.empty();
    assert!(buffer.push(message(3)));
    assert_eq!(take(&buffer, &mut batch), Some(3));
}

#[test]
fn what_is_put_back_comes_before_what_came_after_it_unless_the_buffer_was_emptied() {
    let (buffer, mut batch) = (buffer_of(10, true), Batch::default());
    for n in 1..=5 {
        buffer.push(message(n));
    }
    let mut taken: Vec<_> = (0..3).filter_map(|_| take_out(&buffer, &mut batch)).collect();
    // One after the other, and not in their order.
    buffer.put_back(batch.generation(), taken.split_off(2), false);
    buffer.put_back(batch.generation(), taken, false);
    let order: Vec<_> = std::iter::from_fn(|| take(&buffer, &mut batch)).collect();
    assert_eq!(order, [1, 2, 3, 4, 5]);
    let old = batch.generation();
    buffer.empty();
    buffer.put_back(old, vec![message(1)], false);
    assert_eq!(take(&buffer, &mut batch), None);
}

#[test]
fn what_is_put_back_as_the_last_holds_nothing_up() {
    let (buffer, mut batch) = (buffer_of(10, true), Batch::default());
    for n in 1..=3 {
        buffer.push(message(n));
    }
    let taken = take_out(&buffer, &mut batch).unwrap();
    buffer.put_back(batch.generation(), vec![taken], true);
    let order: Vec<_> = std::iter::from_fn(|| take(&buffer, &mut batch)).collect();
    assert_eq!(order, [2, 3, 1]);
}

#[test]
fn a_buffer_that_is_held_hands_out_nothing_until_it_is_let_go_as_often() {
    let (buffer, mut batch) = (buffer_of(10, true), Batch::default());
    for n in 1..=3 {
        buffer.push(message(n));
    }
    assert_eq!(take(&buffer, &mut batch), Some(1));
    buffer.hold();
    buffer.hold();
    buffer.let_go();
    assert_eq!(take(&buffer, &mut batch), None);
    buffer.let_go();
    assert_eq!(take(&buffer, &mut batch), Some(2));
    // Nobody waits for what will not come any more.
    buffer.hold();
    buffer.end(None);
    assert_eq!(take(&buffer, &mut batch), Some(3));
}

#[test]
fn a_message_is_pulled_when_there_is_none_and_none_was_asked_for() {
    let (buffer, mut batch) = (buffer_of(0, true), Batch::default());
    let next = |batch: &mut Batch| buffer.poll_next(batch, &Context::from_waker(Waker::noop()));
    assert!(buffer.begin_pull() && !buffer.begin_pull());
    buffer.push(message(1));
    assert!(!buffer.begin_pull(), "one is there");
    assert_eq!(take(&buffer, &mut batch), Some(1));
    assert!(buffer.begin_pull());
    buffer.on_empty_dispatch();
    assert!(matches!(next(&mut batch), Poll::Ready(Next::Nothing)));
    assert!(next(&mut batch).is_pending());
    assert!(buffer.begin_pull());
    // What is open is asked for again by the transport.
    buffer.empty();
    assert!(!buffer.begin_pull());
    assert!(!buffer_of(1, true).begin_pull());
}

#[test]
fn there_is_room_for_two_windows_and_no_more() {
    let buffer = buffer_of(1, true);
    for n in 0..3 {
        assert!(buffer.push(message(n)));
    }
    assert!(!buffer.push(message(3)));
}

#[test]
fn an_end_comes_after_what_was_there() {
    let (buffer, mut batch) = (buffer_of(1, true), Batch::default());
    buffer.push(message(1));
    buffer.end(None);
    assert_eq!(take(&buffer, &mut batch), Some(1));
    let end = buffer.poll_next(&mut batch, &Context::from_waker(Waker::noop()));
    assert!(matches!(end, Poll::Ready(Next::End(None))));
}
