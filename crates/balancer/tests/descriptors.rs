//! What the balancer does when descriptors run out. Alone in its process, whose limit it lowers.

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use balancer::{DESCRIPTORS_RESERVED, Event, Message};
    use balancer_core::{Backend, Endpoint, Rotation, Table};
    use ipc::{Link, Receiver, Sender, greet};
    use rustix::process::{Resource, Rlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use socket2::{Domain, Socket, Type};

    const CLIENTS: u64 = 40;
    /// How long a client that must not be served is listened to.
    const SILENCE: Duration = Duration::from_millis(300);
    const DEADLINE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn clients_wait_in_the_kernel_and_the_processor_rests() {
        let limit = Some(DESCRIPTORS_RESERVED + 2 * CLIENTS);
        let limits = Rlimit {
            current: limit,
            maximum: limit,
        };
        setrlimit(Resource::Nofile, limits).unwrap();
        let public = TcpListener::bind("127.0.0.1:0").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut link = start(&dir.path().join("control"), &public, program()).await;
        assert!(greets(
            &mut TcpStream::connect(public.local_addr().unwrap()).unwrap()
        ));

        while open_clients(&mut link).await > 0 {}

        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let mut taken: Vec<OwnedFd> = vec![];
        while let Ok(copy) = public.as_fd().try_clone_to_owned() {
            taken.push(copy);
        }
        let before = cpu_time();
        client
            .connect(&public.local_addr().unwrap().into())
            .unwrap();
        let mut client = TcpStream::from(client);
        client.set_read_timeout(Some(SILENCE)).unwrap();
        let silence = client.read(&mut [0; 1]).unwrap_err();
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
        let spent = cpu_time() - before;
        assert!(spent < SILENCE / 2, "it tried all the time: {spent:?}");

        drop(taken);
        assert!(greets(&mut client), "it was kept, not refused");
    }

    async fn open_clients((receiver, sender): &mut (Receiver, Sender)) -> u64 {
        let question = Message::Counters { request: 1 };
        sender.send(&question, &[]).await.unwrap();
        match receiver.receive().await.unwrap().unwrap().0 {
            Event::Counters { counters, .. } => counters.endpoints["A"].open,
            other => panic!("{other:?}"),
        }
    }

    fn greets(client: &mut TcpStream) -> bool {
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut hello = [0; 5];
        client.read_exact(&mut hello).is_ok() && hello == *b"hello"
    }

    fn cpu_time() -> Duration {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(
            time.tv_sec.try_into().unwrap(),
            time.tv_nsec.try_into().unwrap(),
        )
    }

    /// An instance that greets, on a thread: it too has to live with what descriptors there are.
    fn program() -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let _ = stream.and_then(|mut stream| stream.write_all(b"hello"));
            }
        });
        address
    }

    /// A balancer with one endpoint and one instance.
    async fn start(
        path: &std::path::Path,
        public: &TcpListener,
        address: SocketAddr,
    ) -> (Receiver, Sender) {
        let control = std::os::unix::net::UnixListener::bind(path).unwrap();
        std::thread::spawn(|| balancer::run(control));
        let stream = tokio::net::UnixStream::connect(path).await.unwrap();
        let (mut receiver, mut sender) = Link::new(stream).split();
        greet(&mut receiver, &mut sender, "fabric").await.unwrap();
        let name = "public".to_owned();
        let listener = Message::Listener { name: name.clone() };
        sender.send(&listener, &[public.as_fd()]).await.unwrap();
        let backend = Backend {
            id: "X".into(),
            address,
            incarnation: 1,
            rotation: Rotation::In,
        };
        let endpoint = Endpoint {
            name: "A".into(),
            listeners: vec![name],
            backends: vec![backend],
        };
        let table = Table {
            number: 1,
            endpoints: vec![endpoint],
        };
        sender.send(&Message::Table(table), &[]).await.unwrap();
        let event = receiver.receive::<Event>().await.unwrap().unwrap().0;
        assert_eq!(event, Event::Acknowledged { number: 1 });
        (receiver, sender)
    }
}
