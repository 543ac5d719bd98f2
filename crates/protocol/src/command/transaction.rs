//! Transactions: a client's own, and those of a transaction manager.

use bytes::Bytes;

use super::{Command, ConnectionId};
use crate::macros::{attr, cached, fields, structure};
use crate::value::ValueError;
use crate::wire::cache::{Cached, Hint};
use crate::wire::field::{Fields, Nested};
use crate::wire::reader::{Fault, Reader};
use crate::wire::writer::{Refusal, Writer};

structure! {
    /// Names a transaction of one connection.
    #[wire(code = 111)]
    pub struct LocalTransactionId {
        /// Its number in the connection.
        pub value: i64,
        /// The connection.
        #[wire(cached)]
        pub connection_id: Option<ConnectionId>,
    }
}

structure! {
    /// Names a branch of a transaction manager's transaction.
    #[wire(code = 112, class = "XATransactionId")]
    pub struct XaTransactionId {
        /// Whose names these are.
        pub format_id: i32,
        /// The transaction.
        pub global_transaction_id: Option<Bytes>,
        /// The branch.
        pub branch_qualifier: Option<Bytes>,
    }
}

structure! {
    /// A step of a transaction.
    #[wire(code = 7)]
    pub struct TransactionInfo: BaseCommand {
        /// Whose connection.
        #[wire(cached)]
        pub connection_id: Option<ConnectionId>,
        /// Which transaction.
        #[wire(cached)]
        pub transaction_id: Option<TransactionId>,
        /// One of [`BEGIN`](Self::BEGIN) to [`END`](Self::END).
        #[wire(java = "type")]
        pub transaction_type: i8,
    }
}

impl TransactionInfo {
    /// It begins.
    pub const BEGIN: i8 = 0;
    /// XA: vote.
    pub const PREPARE: i8 = 1;
    /// Commit without a vote.
    pub const COMMIT_ONE_PHASE: i8 = 2;
    /// XA: commit after the vote.
    pub const COMMIT_TWO_PHASE: i8 = 3;
    /// Undo it.
    pub const ROLLBACK: i8 = 4;
    /// XA: which transactions are in doubt?
    pub const RECOVER: i8 = 5;
    /// XA: forget one that was decided without the manager.
    pub const FORGET: i8 = 6;
    /// XA: the connection's part in it ends.
    pub const END: i8 = 7;
}

/// Names a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TransactionId {
    /// One of a connection.
    Local(LocalTransactionId),
    /// One of a transaction manager.
    Xa(Box<XaTransactionId>),
}

impl TransactionId {
    /// The same with bytes of its own.
    pub(crate) fn detached(self) -> Self {
        match self {
            Self::Local(id) => Self::Local(LocalTransactionId {
                connection_id: id.connection_id.map(|connection| ConnectionId {
                    value: connection.value.map(|value| value.detached()),
                }),
                ..id
            }),
            Self::Xa(id) => {
                let detached = |bytes: Option<Bytes>| bytes.map(|b| Bytes::copy_from_slice(&b));
                Self::Xa(Box::new(XaTransactionId {
                    global_transaction_id: detached(id.global_transaction_id),
                    branch_qualifier: detached(id.branch_qualifier),
                    ..*id
                }))
            }
        }
    }

    /// A transaction id by type code, its fields still to be set.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        match code {
            111 => Some(Self::Local(LocalTransactionId::default())),
            112 => Some(Self::Xa(Box::default())),
            _ => None,
        }
    }
}

impl From<TransactionId> for Command {
    fn from(id: TransactionId) -> Self {
        match id {
            TransactionId::Local(id) => Self::LocalTransactionId(id),
            TransactionId::Xa(id) => Self::XaTransactionId(id),
        }
    }
}

impl Nested for TransactionId {
    const CLASS: &'static str = "TransactionId";
    const BOXED: usize = size_of::<XaTransactionId>();

    fn code(&self) -> u8 {
        match self {
            Self::Local(_) => LocalTransactionId::ROW.code,
            Self::Xa(_) => XaTransactionId::ROW.code,
        }
    }

    fn since(&self) -> u8 {
        1
    }

    fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        match self {
            Self::Local(id) => id.write(w),
            Self::Xa(id) => id.write(w),
        }
    }

    fn blank(code: u8) -> Option<Self> {
        Self::of_code(code)
    }

    fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        match self {
            Self::Local(id) => id.read(r),
            Self::Xa(id) => id.read(r),
        }
    }

    fn to_cached(&self) -> Cached {
        Cached::Transaction(self.clone())
    }

    fn load_cached(place: &mut Option<Self>, cached: &Cached) -> bool {
        let Cached::Transaction(id) = cached else { return false };
        *place = Some(id.clone());
        true
    }

    fn is_cached(&self, cached: &Cached) -> bool {
        matches!(cached, Cached::Transaction(id) if id == self)
    }

    fn cache_hash(&self) -> u64 {
        match self {
            Self::Local(id) => id.cache_hash(),
            Self::Xa(id) => id.cache_hash(),
        }
    }

    fn cache_hint(&self) -> Hint {
        match self {
            Self::Local(id) => id.cache_hint(),
            Self::Xa(id) => id.cache_hint(),
        }
    }

    fn from_command(command: Command) -> Result<Self, ValueError> {
        match Self::of_code(command.code()) {
            Some(Self::Local(_)) => Nested::from_command(command).map(Self::Local),
            Some(Self::Xa(_)) => Nested::from_command(command).map(Box::new).map(Self::Xa),
            None => Err(ValueError::new("a transaction id is expected")),
        }
    }
}
