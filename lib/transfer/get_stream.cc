#include "transfer/get_stream.h"

#include <algorithm>
#include <utility>

namespace blobd::transfer {
namespace {

// Large enough that the hand-over costs little and adjacent groups are written together; small
// enough to stay in cache.
constexpr size_t kPieceBytes = 256 * 1024;

// The code a requester stops a stream with; providers do not look at it (protocol/blobs.md, section
// 7).
constexpr uint64_t kStopCode = 0;

}  // namespace

GetStream::GetStream(quic::Endpoint& endpoint, std::shared_ptr<Executor> strand,
                     std::shared_ptr<GetSession> session)
    : endpoint_(endpoint), strand_(std::move(strand)), session_(std::move(session)) {}

GetStream::~GetStream() { Release(); }

// Ends the stream if it has not ended, and gives back the credit of what nobody will consume: the
// connection's window outlives the stream.
void GetStream::Release() {
  if (connection_ && stream_ >= 0) endpoint_.StopStream(*connection_, stream_, kStopCode);
  stream_ = -1;
}

void GetStream::Open(std::optional<quic::ConnectionId> connection, uint64_t number, Bytes request) {
  Release();
  number_ = number;
  connection_ = connection;
  unconsumed_ = 0;
  last_byte_ = hooks_.now();
  if (!connection) {
    open_ = true;
    return End({StreamEnd::Kind::kLost, 0, "the connection was lost"});
  }
  auto stream = endpoint_.OpenRequest(*connection, std::move(request), this);
  open_ = true;
  if (!stream.ok()) {
    const auto kind = stream.status().code() == StatusCode::kNotFound ? StreamEnd::Kind::kLost
                                                                      : StreamEnd::Kind::kRefused;
    return End({kind, 0, Message(stream.status())});
  }
  stream_ = *stream;
}

void GetStream::Consumed(uint64_t number, uint64_t bytes) {
  if (number != number_ || !connection_ || stream_ < 0) return;
  unconsumed_ -= std::min(unconsumed_, bytes);
  if (unconsumed_ == 0)
    last_byte_ = hooks_.now();  // from now on it is the provider who is waited for
  endpoint_.Consumed(*connection_, stream_, bytes);
}

void GetStream::Stop(uint64_t number) {
  if (number != number_) return;
  open_ = false;
  gathered_.clear();
  Release();
}

void GetStream::Flush() {
  if (gathered_.empty()) return;
  // Credit counts bytes, not what was reserved for more: a trickle must not hold a quarter of a MiB
  // per byte.
  if (gathered_.capacity() > 2 * gathered_.size()) gathered_.shrink_to_fit();
  strand_->Post(
      [session = session_, number = number_, bytes = std::exchange(gathered_, Bytes())]() mutable {
        session->OnBytes(number, std::move(bytes));
      });
}

void GetStream::CheckStall(Instant now, Duration limit) {
  if (!open_ || unconsumed_ > 0 || now - last_byte_ < limit) return;
  Release();
  End({StreamEnd::Kind::kStalled, 0,
       fmt::format("no byte came for {} s", std::chrono::duration_cast<seconds>(limit).count())});
}

void GetStream::ConnectionClosed(quic::ConnectionId connection) {
  if (!open_ || connection_ != connection) return;
  End({StreamEnd::Kind::kStopped, 0, "its connection was closed"});
}

void GetStream::StopSession() {
  strand_->Post([session = session_] { session->Stop(); });
}

void GetStream::OnData(ByteView bytes) {
  last_byte_ = hooks_.now();
  unconsumed_ += bytes.size();
  if (gathered_.empty()) {
    gathered_.reserve(kPieceBytes + bytes.size());
    hooks_.wants_flush();
  }
  gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
  if (gathered_.size() >= kPieceBytes) Flush();
}

void GetStream::OnFin() { End({StreamEnd::Kind::kFinished, 0, ""}); }

void GetStream::OnReset(uint64_t code) { End({StreamEnd::Kind::kReset, code, ""}); }

void GetStream::OnLost(const quic::CloseReason& why) {
  End({StreamEnd::Kind::kLost, why.code,
       why.reason.empty() ? "the connection was lost"
                          : fmt::format("the connection was lost: {}", why.reason)});
}

void GetStream::End(StreamEnd end) {
  if (!std::exchange(open_, false)) return;
  Flush();
  strand_->Post([session = session_, number = number_, end = std::move(end)]() mutable {
    session->OnStreamEnd(number, std::move(end));
  });
}

}  // namespace blobd::transfer
