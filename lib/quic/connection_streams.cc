// The streams of a Connection: opening, credit, and writing datagrams.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "quic/connection.h"
#include "quic/udp_socket.h"

namespace blobd::quic {
namespace {

constexpr size_t kVectors = 4;  // pieces of one stream offered for one datagram

}  // namespace

StatusOr<StreamId> Connection::OpenStream() {
  if (state_ != State::kReady) return FailedPrecondition("the connection is not up");
  StreamId id = -1;
  const int error = ngtcp2_conn_open_bidi_stream(conn_, &id, nullptr);
  if (error == NGTCP2_ERR_STREAM_ID_BLOCKED) {
    return ResourceExhausted("the peer allows no further stream now");
  }
  if (error != 0) return Unavailable("open a stream: {}", ngtcp2_strerror(error));
  streams_.emplace(id, Stream());
  return id;
}

Status Connection::Send(StreamId id, Bytes bytes, bool fin) {
  const auto found = streams_.find(id);
  if (state_ == State::kEnded || found == streams_.end() || found->second.send.fin_queued()) {
    return NotFound("stream {} takes no more data", id);
  }
  found->second.send.Append(std::move(bytes), fin);
  MarkSendable(id, found->second);
  return OkStatus();
}

void Connection::MarkSendable(StreamId id, Stream& stream) {
  if (stream.sendable || !stream.send.wants_to_send()) return;
  stream.sendable = true;
  sendable_.push_back(id);
}

void Connection::Consumed(StreamId id, uint64_t bytes) {
  if (state_ == State::kEnded) return;
  ngtcp2_conn_extend_max_offset(conn_, TakeUnconsumed(id, bytes));
}

uint64_t Connection::Withhold(StreamId id, uint64_t bytes) {
  return state_ == State::kEnded ? 0 : TakeUnconsumed(id, bytes);
}

// Gives the stream, if it is there still, credit for as much of `bytes` as it was given; says how
// much that is.
uint64_t Connection::TakeUnconsumed(StreamId id, uint64_t bytes) {
  if (const auto found = streams_.find(id); found != streams_.end()) {
    bytes = std::min(bytes, found->second.unconsumed);
    found->second.unconsumed -= bytes;
    // Fails only for a stream whose receiving side is over, which needs no credit.
    if (bytes > 0) ngtcp2_conn_extend_max_stream_offset(conn_, id, bytes);
    return bytes;
  }
  const auto closed = unconsumed_of_closed_.find(id);
  if (closed == unconsumed_of_closed_.end()) return 0;
  bytes = std::min(bytes, closed->second);
  closed->second -= bytes;
  if (closed->second == 0) unconsumed_of_closed_.erase(closed);
  return bytes;
}

void Connection::GrowWindow(uint64_t bytes) {
  if (state_ != State::kEnded) ngtcp2_conn_extend_max_offset(conn_, bytes);
}

void Connection::StopStream(StreamId id, uint64_t code) {
  if (state_ == State::kEnded) return;
  if (const auto closed = unconsumed_of_closed_.find(id); closed != unconsumed_of_closed_.end()) {
    ngtcp2_conn_extend_max_offset(conn_, closed->second);
    unconsumed_of_closed_.erase(closed);
  }
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second.stopped) return;
  found->second.stopped = true;
  found->second.send.GiveUp();
  ngtcp2_conn_extend_max_offset(conn_, std::exchange(found->second.unconsumed, 0));
  // Cannot fail but for memory; the bytes not yet delivered get their credit inside.
  ngtcp2_conn_shutdown_stream(conn_, id, code);
}

// Flow control blocks a stream by its own window or by the connection's; the library tells of the
// former only, so both are looked at before writing.
void Connection::RetryBlocked() {
  if (blocked_.empty() || ngtcp2_conn_get_max_data_left(conn_) == 0) return;
  const auto unblocked = [&](StreamId id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return true;
    if (ngtcp2_conn_get_max_stream_data_left(conn_, id) == 0) return false;
    found->second.sendable = false;
    MarkSendable(id, found->second);
    return true;
  };
  blocked_.erase(std::remove_if(blocked_.begin(), blocked_.end(), unblocked), blocked_.end());
}

ngtcp2_ssize Connection::WriteDatagram(MutableBytes out, ngtcp2_path_storage* path, uint64_t now) {
  ngtcp2_pkt_info info{};
  for (;;) {
    auto found = streams_.end();
    while (found == streams_.end() && !sendable_.empty()) {
      found = streams_.find(sendable_.front());
      if (found == streams_.end()) sendable_.pop_front();  // closed meanwhile
    }
    if (found == streams_.end()) {
      return ngtcp2_conn_writev_stream(conn_, &path->path, &info, out.data(), out.size(), nullptr,
                                       NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0, now);
    }
    const StreamId id = found->first;
    const SendBuffer& send = found->second.send;
    std::array<ngtcp2_vec, kVectors> vectors{};
    size_t count = 0;
    uint64_t given = 0;
    for (const ByteView view : send.Next(kVectors)) {
      vectors[count++] = {const_cast<uint8_t*>(view.data()), view.size()};
      given += view.size();
    }
    const bool fin = send.fin_queued() && given == send.unsent();
    uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
    if (fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize size =
        ngtcp2_conn_writev_stream(conn_, &path->path, &info, out.data(), out.size(), &taken, flags,
                                  id, vectors.data(), count, now);
    const bool blocked = size == NGTCP2_ERR_STREAM_DATA_BLOCKED;
    const bool refused = size == NGTCP2_ERR_STREAM_SHUT_WR || size == NGTCP2_ERR_STREAM_NOT_FOUND;
    if (refused) {
      if (const auto stream = streams_.find(id); stream != streams_.end()) {
        stream->second.send.GiveUp();
      }
    }
    if (blocked || refused || taken >= 0) {
      AfterWrite(id, blocked, taken, fin && taken == static_cast<ngtcp2_ssize>(given));
    }
    if (blocked || refused || size == NGTCP2_ERR_WRITE_MORE) continue;
    return size;
  }
}

void Connection::AfterWrite(StreamId id, bool blocked, ngtcp2_ssize taken, bool fin_sent) {
  BLOBD_CHECK(!sendable_.empty() && sendable_.front() == id);
  sendable_.pop_front();
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  if (taken >= 0) stream.send.Sent(static_cast<uint64_t>(taken), fin_sent);
  stream.sendable = false;
  if (blocked) {
    stream.sendable = true;
    blocked_.push_back(id);
  } else {
    MarkSendable(id, stream);  // behind the others
  }
}

// Collects datagrams of one size for one address; a datagram that is larger or goes elsewhere
// sends the ones before.
struct Connection::Batch {
  Batch(MutableBytes scratch_bytes, DatagramSink& datagram_sink)
      : scratch(scratch_bytes), sink(datagram_sink) {}

  MutableBytes scratch;
  DatagramSink& sink;
  size_t begin = 0;
  size_t end = 0;
  size_t segment = 0;
  size_t count = 0;
  SocketAddress to;
  bool accepting = true;

  MutableBytes room() const { return scratch.subspan(end); }
  void Flush() {
    if (end > begin)
      accepting = sink.Send(to, ByteView(scratch).subspan(begin, end - begin), segment);
    begin = end;
    count = 0;
  }
  void Add(size_t size, const SocketAddress& address) {
    if (end > begin && (size > segment || address != to)) Flush();
    if (end == begin) {
      segment = size;
      to = address;
    }
    end += size;
    ++count;
    if (size < segment || count == UdpSocket::kMaxSegments) Flush();
  }
};

// The most that a datagram to the peer may have now. The library keeps to the peer's limit by
// itself but does not tell it; room for datagrams in a batch is reckoned from this.
size_t Connection::DatagramLimit() const {
  // Initial packets would be padded to all the room there is. And what is known of the path is
  // known of the one to the first host.
  size_t limit = max_payload_;
  if (!handshake_completed() || (!options_.payload.probe && !addresses_.at_first_host())) {
    limit = std::min(limit, Payload::kLeast);
  }
  const ngtcp2_transport_params* peer = ngtcp2_conn_get_remote_transport_params(conn_);
  if (peer != nullptr && peer->max_udp_payload_size >= Payload::kLeast) {
    limit = static_cast<size_t>(std::min<uint64_t>(limit, peer->max_udp_payload_size));
  }
  return limit;
}

bool Connection::Write(Instant now, MutableBytes scratch, DatagramSink& sink) {
  BLOBD_CHECK(scratch.size() >= kWriteSpace);
  if (state_ == State::kEnded) return false;
  RetryBlocked();
  const size_t limit = DatagramLimit();
  const size_t quantum =
      std::min<size_t>(ngtcp2_conn_get_send_quantum(conn_), UdpSocket::kMaxBatch);
  Batch batch(scratch, sink);
  bool more = false;
  for (;;) {
    if (batch.end > 0 && batch.end + limit > quantum) {
      more = true;
      break;
    }
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    const ngtcp2_ssize size = WriteDatagram(batch.room().first(limit), &path, now.nanos());
    if (size < 0) {
      batch.Flush();
      Fail(static_cast<int>(size), now);
      return false;
    }
    if (size == 0) break;
    const auto written = static_cast<size_t>(size);
    if (written <= Payload::kUsual) sent_small_ += written;
    const auto name = SocketAddress::FromSockaddr(path.path.remote.addr);
    const auto to = name ? addresses_.Resolve(*name) : std::nullopt;
    if (!to) continue;  // a place long left: as good as lost
    batch.Add(written, *to);
    if (!batch.accepting) {
      more = true;
      break;
    }
  }
  batch.Flush();
  // Not during the handshake: with the assumed round trip of 333 ms the second datagram would be
  // paced 20 ms behind the first (platform/quic-and-hash.md, 4.1).
  if (handshake_completed()) ngtcp2_conn_update_pkt_tx_time(conn_, now.nanos());
  return more;
}

}  // namespace blobd::quic
