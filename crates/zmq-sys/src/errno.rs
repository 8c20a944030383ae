//! Error numbers that libzmq may set: the platform's, and its own for those a platform lacks.

pub use libc::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EBUSY, ECONNREFUSED, EFAULT, EHOSTUNREACH, EINPROGRESS, EINTR,
    EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENETDOWN, ENOBUFS, ENODEV, ENOENT, ENOMEM, ENOTCONN, ENOTSOCK,
    ENOTSUP, EPROTO, EPROTONOSUPPORT,
};

/// The first of libzmq's own numbers; see `zmq.h`.
const BASE: i32 = crate::ZMQ_HAUSNUMERO.cast_signed();

macro_rules! own {
    ($($name:ident = $offset:literal),* $(,)?) => {
        $(
            #[doc = concat!("libzmq's number ", $offset, ".")]
            pub const $name: i32 = BASE + $offset;
        )*
    };
}

own! {
    ENOTSUP_ALT = 1,
    EPROTONOSUPPORT_ALT = 2,
    ENOBUFS_ALT = 3,
    ENETDOWN_ALT = 4,
    EADDRINUSE_ALT = 5,
    EADDRNOTAVAIL_ALT = 6,
    ECONNREFUSED_ALT = 7,
    EINPROGRESS_ALT = 8,
    ENOTSOCK_ALT = 9,
    EMSGSIZE_ALT = 10,
    EAFNOSUPPORT_ALT = 11,
    ENETUNREACH_ALT = 12,
    ECONNABORTED_ALT = 13,
    ECONNRESET_ALT = 14,
    ENOTCONN_ALT = 15,
    ETIMEDOUT_ALT = 16,
    EHOSTUNREACH_ALT = 17,
    ENETRESET_ALT = 18,
    EFSM = 51,
    ENOCOMPATPROTO = 52,
    ETERM = 53,
    EMTHREAD = 54,
}
