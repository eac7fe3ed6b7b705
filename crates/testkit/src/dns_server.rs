//! A DNS server on loopback that answers as it is told.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::ProtoError;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// How long an answer may be kept, in seconds; longer than any test, so that one that is kept shows.
const TTL_SECONDS: u32 = 3_600;

/// A DNS server on a UDP port of loopback; it ends when it is dropped.
pub struct DnsServer {
    addr: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    task: JoinHandle<()>,
}

/// What it answers.
#[derive(Default)]
struct Zone {
    records: BTreeMap<Name, Vec<RData>>,
    failing: bool,
    asked: u64,
}

impl DnsServer {
    /// Starts it without any names.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (addr, zone) = (socket.local_addr()?, Arc::<Mutex<Zone>>::default());
        let task = tokio::spawn(serve(socket, Arc::clone(&zone)));
        Ok(Self { addr, zone, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sets the A and AAAA records of a name; a name without any does not exist.
    ///
    /// # Errors
    /// When the name is none.
    pub fn set_addresses(&self, name: &str, ips: &[IpAddr]) -> Result<(), ProtoError> {
        self.set(name, ips.iter().copied().map(RData::from).collect())
    }

    /// Sets the SRV records of a name, each a target and a port.
    ///
    /// # Errors
    /// When a name is none.
    pub fn set_services(&self, name: &str, targets: &[(&str, u16)]) -> Result<(), ProtoError> {
        let service =
            |&(target, port): &(&str, u16)| Ok(RData::SRV(SRV::new(0, 0, port, Name::from_ascii(target)?)));
        let services: Result<_, ProtoError> = targets.iter().map(service).collect();
        self.set(name, services?)
    }

    /// Says whether it answers every question with SERVFAIL.
    pub fn set_failing(&self, failing: bool) {
        self.zone.lock().failing = failing;
    }

    /// How many questions it was asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.zone.lock().asked
    }

    fn set(&self, name: &str, records: Vec<RData>) -> Result<(), ProtoError> {
        self.zone.lock().records.insert(Name::from_ascii(name)?, records);
        Ok(())
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4096];
    while let Ok((length, caller)) = socket.recv_from(&mut buffer).await {
        let question = buffer.get(..length).and_then(|bytes| Message::from_vec(bytes).ok());
        let answer = question.and_then(|question| zone.lock().answer(question).to_vec().ok());
        if let Some(answer) = answer {
            // The caller may have gone.
            let _ = socket.send_to(&answer, caller).await;
        }
    }
}

impl Zone {
    fn answer(&mut self, question: Message) -> Message {
        self.asked += 1;
        let mut answer = question.into_response();
        answer.metadata.recursion_available = true;
        let Some(query) = answer.queries.first().cloned() else { return answer };
        let records = self.records.get(query.name()).filter(|records| !records.is_empty());
        answer.metadata.response_code = match records {
            _ if self.failing => ResponseCode::ServFail,
            None => ResponseCode::NXDomain,
            Some(records) => {
                let asked = records.iter().filter(|data| data.record_type() == query.query_type());
                let record =
                    |data: &RData| Record::from_rdata(query.name().clone(), TTL_SECONDS, data.clone());
                answer.add_answers(asked.map(record));
                ResponseCode::NoError
            }
        };
        answer
    }
}
