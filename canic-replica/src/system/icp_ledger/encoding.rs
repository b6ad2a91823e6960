//! Blocks as bytes: the messages `Block` and `Transaction` of the ledger's protocol buffers, whose
//! SHA-256 chains the blocks (`dfinity/ic rs/ledger_suite/icp`, `ic_ledger.pb.v1`).

use sha2::{Digest, Sha256};

use crate::system::{
    Hash,
    account::AccountId,
    icp_ledger::{Block, FEE, Operation, Transaction},
};

/// A message of protocol buffers, with its fields in ascending order.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number. Zero is left out.
    fn number(mut self, field: u8, number: u64) -> Self {
        if number != 0 {
            self.0.push(field << 3);
            self.varint(number);
        }
        self
    }

    /// Bytes. Empty ones are left out.
    fn bytes(self, field: u8, bytes: &[u8]) -> Self {
        match bytes.is_empty() {
            true => self,
            false => self.delimited(field, bytes),
        }
    }

    fn delimited(mut self, field: u8, bytes: &[u8]) -> Self {
        self.0.push(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A message, which is there even if it is empty.
    fn message(self, field: u8, message: &Self) -> Self {
        self.delimited(field, &message.0)
    }

    /// A message that may be absent.
    fn optional(self, field: u8, message: Option<Self>) -> Self {
        match message {
            Some(message) => self.message(field, &message),
            None => self,
        }
    }
}

/// `Tokens`, `TimeStamp` and `Memo` are all a number.
fn of_number(number: u64) -> Message {
    Message::default().number(1, number)
}

/// `AccountIdentifier`, `Hash` and `Icrc1Memo` are all bytes.
fn of_bytes(bytes: &[u8]) -> Message {
    Message::default().bytes(1, bytes)
}

fn of_account(account: &AccountId) -> Message {
    of_bytes(account.as_bytes())
}

/// The field of an operation in its transaction, and its message.
fn of_operation(operation: &Operation) -> (u8, Message) {
    let message = Message::default();
    match operation {
        Operation::Burn {
            from,
            spender,
            amount,
        } => {
            let message = message
                .message(1, &of_account(from))
                .message(3, &of_number(*amount))
                .optional(4, spender.as_ref().map(of_account));
            (1, message)
        }
        Operation::Mint { to, amount } => {
            let message = message.message(2, &of_account(to));
            (2, message.message(3, &of_number(*amount)))
        }
        Operation::Transfer {
            from,
            to,
            spender,
            amount,
        } => {
            let spender = spender.as_ref();
            let spender =
                spender.map(|spender| Message::default().message(1, &of_account(spender)));
            let message = message
                .message(1, &of_account(from))
                .message(2, &of_account(to))
                .message(3, &of_number(*amount))
                .message(4, &of_number(FEE))
                .optional(6, spender);
            (3, message)
        }
        Operation::Approve {
            from,
            spender,
            allowance,
            expected_allowance,
            expires_at,
        } => {
            let approval = Message::default()
                .message(1, &of_number(*allowance))
                .optional(2, expires_at.map(of_number))
                .optional(3, expected_allowance.map(of_number));
            let message = message
                .message(1, &of_account(from))
                .message(2, &of_account(spender))
                .message(3, &of_number(0))
                .message(4, &of_number(FEE))
                .message(5, &approval);
            (3, message)
        }
    }
}

impl Transaction {
    fn encode(&self) -> Message {
        let (field, operation) = of_operation(&self.operation);
        Message::default()
            .message(field, &operation)
            .message(4, &of_number(self.memo))
            .optional(6, self.created_at_time.map(of_number))
            .optional(7, self.icrc1_memo.as_deref().map(of_bytes))
    }

    /// What tells it from other transactions.
    pub(super) fn hash(&self) -> Hash {
        Sha256::digest(self.encode().0).into()
    }
}

impl Block {
    /// The hash that the next block names.
    pub(super) fn hash(&self) -> Hash {
        let block = Message::default()
            .optional(1, self.parent_hash.as_ref().map(|hash| of_bytes(hash)))
            .message(2, &of_number(self.timestamp))
            .message(3, &self.transaction.encode());
        Sha256::digest(block.0).into()
    }
}
