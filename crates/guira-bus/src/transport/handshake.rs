//! Why a handshake failed, in words that say what to do.

/// libzmq's code for what could not be decrypted (`ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC`).
const CRYPTOGRAPHIC: u32 = 0x1100_0001;
/// libzmq's code for a peer of another mechanism (`ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH`).
const MECHANISM_MISMATCH: u32 = 0x1100_0002;

/// Why an agent and what it reached do not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The broker does not know this agent's key.
    #[error("refused: put this agent's public key into the broker's folder of allowed keys")]
    Refused,
    /// One side has keys and the other has none.
    #[error("one side has keys and the other has none: give keys to both, or to neither")]
    KeysOnOneSide,
    /// The broker could not read what was encrypted for it, and closed the connection.
    #[error(
        "closed without an answer: most likely the public key given for this broker is not the \
         broker's, else it stopped just then"
    )]
    WrongKey,
    /// Closed by the other side, or silent for too long.
    #[error("closed before it was done: the broker stopped just then, wants keys, or is no broker")]
    Closed,
    /// What came is no handshake, or one of another version.
    #[error("what answers is no broker, or speaks another version of ZeroMQ's protocol (code {code:#x})")]
    Malformed {
        /// libzmq's code.
        code: u32,
    },
}

impl HandshakeFailure {
    /// From libzmq's code of a breach of the protocol.
    pub(super) fn of_protocol(code: u32) -> Self {
        match code {
            CRYPTOGRAPHIC => Self::WrongKey,
            MECHANISM_MISMATCH => Self::KeysOnOneSide,
            _ => Self::Malformed { code },
        }
    }

    /// Without a code: the connection ended.
    pub(super) fn without_detail(has_keys: bool) -> Self {
        if has_keys { Self::WrongKey } else { Self::Closed }
    }
}
