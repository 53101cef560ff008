//! How much of what a client sends are statements.

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Postgres,
    MySql,
}

/// Reads the heads of the messages that a client sends, in whatever pieces they come.
#[derive(Debug)]
pub(crate) struct Scanner {
    protocol: Protocol,
    head: Vec<u8>,
    /// Bytes of a message's body that are to come.
    body: usize,
}

impl Scanner {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            head: Vec::new(),
            body: 0,
        }
    }

    /// How many statements begin to be carried out in this piece. A text of several statements is one.
    pub(crate) fn statements(&mut self, mut piece: &[u8]) -> u64 {
        let mut statements = 0;
        loop {
            let passed = self.body.min(piece.len());
            self.body -= passed;
            piece = &piece[passed..];
            let Some((first, rest)) = piece.split_first() else {
                return statements;
            };
            self.head.push(*first);
            piece = rest;
            let read = match self.protocol {
                Protocol::Postgres => postgres(&self.head),
                Protocol::MySql => mysql(&self.head),
            };
            if let Some((body, is_statement)) = read {
                self.head.clear();
                self.body = body;
                statements += u64::from(is_statement);
            }
        }
    }
}

/// Once the head is whole: how long the body is, and whether it is a statement.
fn postgres(head: &[u8]) -> Option<(usize, bool)> {
    let length = |bytes: [u8; 4]| (u32::from_be_bytes(bytes) as usize).saturating_sub(4);
    match *head {
        // What is sent first has no letter, and begins with a length that is small.
        [0, b, c, d] => Some((length([0, b, c, d]), false)),
        // A query as text; the execution of one that is prepared.
        [letter, a, b, c, d] if letter != 0 => {
            Some((length([a, b, c, d]), matches!(letter, b'Q' | b'E')))
        }
        _ => None,
    }
}

fn mysql(head: &[u8]) -> Option<(usize, bool)> {
    const QUERY: u8 = 0x03;
    const EXECUTE: u8 = 0x17;
    let length = |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) as usize;
    match *head {
        [0, 0, 0, _] => Some((0, false)),
        // The first of a conversation is a command.
        [a, b, c, number, command] => Some((
            length([a, b, c]) - 1,
            number == 0 && matches!(command, QUERY | EXECUTE),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is cut.
    fn count(protocol: Protocol, sent: &[u8]) -> u64 {
        let counts = (1..=sent.len()).map(|size| {
            let mut scanner = Scanner::new(protocol);
            sent.chunks(size)
                .map(|piece| scanner.statements(piece))
                .sum()
        });
        let counts: Vec<u64> = counts.collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        counts[0]
    }

    #[test]
    fn postgres_carries_out_texts_and_prepared_statements() {
        let start = b"\0\0\0\x0a\0\x03\0\0Q\0";
        let text = b"Q\0\0\0\x06E\0";
        let prepared = b"P\0\0\0\x07QQ\0B\0\0\0\x04E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";
        assert_eq!(
            count(
                Protocol::Postgres,
                &[&start[..], text, prepared, text].concat()
            ),
            3
        );
    }

    #[test]
    fn mysql_carries_out_texts_and_prepared_statements() {
        let login = b"\x02\0\0\x01\x03\x03\0\0\0\x03";
        let query = b"\x03\0\0\0\x03\x17\x03";
        let (prepare, close) = (b"\x02\0\0\0\x16\x03", b"\x05\0\0\0\x19\x01\0\0\0");
        let execute = b"\x03\0\0\0\x17\x01\0";
        assert_eq!(
            count(
                Protocol::MySql,
                &[&login[..], query, prepare, execute, close, query].concat()
            ),
            3
        );
    }
}
