//! One listener for every address of 127.0.0.0/8, and for nobody outside this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use socket2::Socket;

use super::engine::listen_at;

/// Hears all addresses of 127.0.0.0/8, which are this machine's, with one socket, so that thousands of replicas cost
/// one descriptor. Such a socket is bound to 0.0.0.0; what keeps other machines out is that it is bound to the loopback
/// interface as well. Where the kernel refuses that (Linux before 5.7, without `CAP_NET_RAW`), a connection to any
/// other address is closed as soon as it is accepted.
#[derive(Debug)]
pub struct LoopbackListener(TcpListener);

impl LoopbackListener {
    /// Listens on that port; 0 takes a free one.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub fn bind(port: u16) -> io::Result<Self> {
        let listener = listen_on_loopback(port)?;
        listener.set_nonblocking(false)?;
        Ok(Self(listener))
    }

    /// The port.
    ///
    /// # Errors
    /// If the system does not tell it.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.0.local_addr()?.port())
    }

    /// Waits for the next connection to an address of 127.0.0.0/8.
    ///
    /// # Errors
    /// If none can be accepted.
    pub fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let (stream, _) = self.0.accept()?;
            if stream.local_addr().is_ok_and(is_of_loopback) {
                return Ok(stream);
            }
        }
    }

    /// All connections to addresses of 127.0.0.0/8, without an end.
    pub fn incoming(&self) -> impl Iterator<Item = io::Result<TcpStream>> + '_ {
        std::iter::repeat_with(|| self.accept())
    }
}

/// Without the look at each connection: whoever accepts them has to take it.
impl From<LoopbackListener> for TcpListener {
    fn from(listener: LoopbackListener) -> Self {
        listener.0
    }
}

/// The same for an engine, which does not block.
pub(crate) fn listen_on_loopback(port: u16) -> io::Result<TcpListener> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    listen_at(any, bind_to_loopback)
}

/// Who may not do that closes what comes from elsewhere.
#[cfg(target_os = "linux")]
fn bind_to_loopback(socket: &Socket) {
    let _ = socket.bind_device(Some(b"lo"));
}

#[cfg(not(target_os = "linux"))]
fn bind_to_loopback(_: &Socket) {}

/// Whether a connection to this address of this machine is for a simulated replica.
pub(crate) fn is_of_loopback(local: SocketAddr) -> bool {
    local.ip().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;

    #[test]
    fn every_address_of_loopback_is_heard() {
        let listener = LoopbackListener::bind(0).unwrap();
        let port = listener.port().unwrap();
        for address in [[127, 0, 0, 1], [127, 64, 0, 2], [127, 255, 255, 254]] {
            let caller = TcpStream::connect(SocketAddr::from((address, port))).unwrap();
            let heard = listener.accept().unwrap();
            assert_eq!(heard.local_addr().unwrap(), caller.peer_addr().unwrap());
        }
        let is_heard = |address: [u8; 4]| is_of_loopback(SocketAddr::from((address, port)));
        assert!(is_heard([127, 64, 0, 2]));
        assert!(!is_heard([10, 0, 0, 1]) && !is_heard([0, 0, 0, 0]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_is_bound_to_the_interface_wherever_that_is_allowed() {
        let listener = LoopbackListener::bind(0).unwrap();
        let device = SockRef::from(&listener.0).device().unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let is_allowed = SockRef::from(&other).bind_device(Some(b"lo")).is_ok();
        assert_eq!(device.as_deref(), is_allowed.then_some(&b"lo"[..]));
    }
}
