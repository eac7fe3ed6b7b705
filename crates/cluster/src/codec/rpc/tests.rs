//! What is sent arrives; other bytes are an error.

use openraft::EntryPayload;
use openraft::vote::RaftLeaderId;

use super::*;
use crate::codec::tests::{Unused, entries, log_id, membership, vote};
use crate::types::{LeaderId, LogId, StoredMembership};

fn requests() -> Vec<Request<Unused>> {
    let mut entries = entries();
    for (index, entry) in (43..).zip(&mut entries) {
        entry.log_id.index = index;
    }
    let commit = LogId { leader_id: LeaderId::new(2, 0).to_committed(), index: 40 };
    let meta = SnapshotMeta {
        last_log_id: Some(log_id()),
        last_membership: StoredMembership::new(Some(log_id()), membership()),
    };
    let snapshot = Snapshot { meta, snapshot: Bytes::from_static(b"generation 7") };
    let mut handed_over = VoteRequest::new(vote(), Some(log_id()));
    handed_over.leadership_transfer = true;
    vec![
        Request::Append(AppendEntriesRequest {
            vote: vote(),
            prev_log_id: Some(log_id()),
            entries,
            leader_commit: Some(commit),
        }),
        Request::Append(AppendEntriesRequest {
            vote: vote(),
            prev_log_id: None,
            entries: Vec::new(),
            leader_commit: None,
        }),
        Request::Vote(handed_over),
        Request::PreVote(VoteRequest::new(vote(), None)),
        Request::Snapshot(vote(), snapshot),
        Request::Transfer(TransferLeaderRequest::new(vote(), 7, Some(log_id()))),
    ]
}

fn answers() -> Vec<Answer<Unused>> {
    let (expected, actual) = (vote(), Vote { committed: false, ..vote() });
    vec![
        Answer::Append(AppendEntriesResponse::Success),
        Answer::Append(AppendEntriesResponse::PartialSuccess(Some(log_id()))),
        Answer::Append(AppendEntriesResponse::Conflict),
        Answer::Append(AppendEntriesResponse::HigherVote(vote())),
        Answer::Vote(VoteResponse::new(vote(), Some(log_id()), true)),
        Answer::Snapshot(SnapshotResponse::new(vote())),
        Answer::Transfer(Ok(())),
        Answer::Transfer(Err(TransferLeaderError::VoteChanged { expected, actual })),
        Answer::Transfer(Err(TransferLeaderError::LogNotFlushed { expected: Some(log_id()), actual: None })),
    ]
}

#[test]
fn requests_and_answers_arrive_as_they_were_sent() {
    for request in requests() {
        let sent = request.encode();
        assert_eq!(Request::<Unused>::decode(sent.clone()).unwrap().encode(), sent);
    }
    for answer in answers() {
        let sent = answer.encode();
        assert_eq!(Answer::<Unused>::decode(sent.clone()).unwrap().encode(), sent);
    }
    let Request::Append(read) = Request::<Unused>::decode(requests()[0].encode()).unwrap() else { panic!() };
    let indexes: Vec<u64> = read.entries.iter().map(|entry| entry.log_id.index).collect();
    assert_eq!((indexes, read.vote, read.leader_commit.unwrap().index), (vec![43, 44, 45], vote(), 40));
    assert!(
        matches!(&read.entries[1].payload, EntryPayload::Normal(command) if command.bytes == "a command")
    );
}

#[test]
fn other_bytes_are_an_error_and_no_panic() {
    let requests = requests().into_iter().map(|request| (true, request.encode()));
    let answers = answers().into_iter().map(|answer| (false, answer.encode()));
    for (is_request, bytes) in requests.chain(answers) {
        let read = |bytes: Bytes| match is_request {
            true => Request::<Unused>::decode(bytes).map(drop),
            false => Answer::<Unused>::decode(bytes).map(drop),
        };
        for cut in 0..bytes.len() {
            assert!(read(bytes.slice(..cut)).is_err(), "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(read(longer.into()).is_err());
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0xff] {
                let mut other = bytes.to_vec();
                other[at] = value;
                // Some are other values; none is a panic or a large allocation.
                let _ = read(other.into());
            }
        }
    }
}
