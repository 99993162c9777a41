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

GetStream::GetStream(GetStreamShared& shared, uint64_t number,
                     std::optional<quic::ConnectionId> connection, Bytes request, bool patient)
    : shared_(shared),
      number_(number),
      connection_(connection),
      request_(std::move(request)),
      last_byte_(shared.now()) {
  TryOpen(!patient);
}

GetStream::~GetStream() { Release(); }

// Stops the stream if it has not ended, and gives back the credit of what nobody will consume: the
// connection's window outlives the stream. What waits for the bandwidth comes later still, if the
// stream is complete: else short streams would not be limited.
void GetStream::Release() {
  const auto stream = std::exchange(stream_, std::nullopt);
  if (!stream) return;
  if (finished_ && throttled_ > 0) {
    if (unconsumed_ > throttled_)
      shared_.endpoint.Consumed(*connection_, *stream, unconsumed_ - throttled_);
    return;
  }
  shared_.endpoint.StopStream(*connection_, *stream, kStopCode);
}

void GetStream::TryAgain() {
  if (waiting()) TryOpen(false);
}

void GetStream::TryOpen(bool last_try) {
  if (!connection_) return End({StreamEnd::Kind::kLost, 0, "the connection was lost"});
  auto stream = shared_.endpoint.OpenRequest(*connection_, request_, this);
  if (stream.ok()) {
    stream_ = *stream;
    state_ = State::kOpen;
    last_byte_ = shared_.now();
    request_ = Bytes();
    return;
  }
  const StatusCode code = stream.status().code();
  if (code == StatusCode::kResourceExhausted && !last_try) return;
  End({code == StatusCode::kResourceExhausted ? StreamEnd::Kind::kRefused : StreamEnd::Kind::kLost,
       0, Message(stream.status())});
}

void GetStream::Consumed(uint64_t bytes) {
  handed_over_ -= std::min(handed_over_, bytes);
  Flush();
  if (!stream_) return;
  if (shared_.throttle == nullptr || !shared_.throttle->limits()) return GiveBack(bytes);
  // What came by a window that is too large now cannot be slowed any more, and needs no credit.
  const uint64_t withheld = shared_.endpoint.Withhold(*connection_, *stream_, bytes);
  unconsumed_ -= std::min(unconsumed_, withheld);
  if (unconsumed_ == 0) last_byte_ = shared_.now();
  if (bytes == withheld) return;
  throttled_ += bytes - withheld;
  shared_.wait_for_rate(number_, *connection_, *stream_, bytes - withheld);
}

void GetStream::Granted(uint64_t bytes) {
  throttled_ -= std::min(throttled_, bytes);
  if (stream_) GiveBack(bytes);
}

void GetStream::GiveBack(uint64_t bytes) {
  unconsumed_ -= std::min(unconsumed_, bytes);
  if (unconsumed_ == 0)
    last_byte_ = shared_.now();  // from now on it is the provider who is waited for
  shared_.endpoint.Consumed(*connection_, *stream_, bytes);
}

void GetStream::Flush() {
  if (handed_over_ == 0) HandOver();
}

void GetStream::HandOver() {
  if (gathered_.empty()) return;
  handed_over_ += gathered_.size();
  last_piece_ = gathered_.size();
  // Credit counts bytes, not what was reserved for more: a trickle must not hold a quarter of a MiB
  // per byte.
  if (gathered_.capacity() > 2 * gathered_.size()) gathered_.shrink_to_fit();
  shared_.strand->Post([receiver = shared_.receiver, number = number_,
                        bytes = std::exchange(gathered_, Bytes())]() mutable {
    receiver->OnBytes(number, std::move(bytes));
  });
}

void GetStream::CheckStall(Instant now, Duration limit) {
  if (state_ == State::kEnded || held_) return;
  if (connection_ && shared_.is_throttled && shared_.is_throttled(*connection_))
    return ForgiveSilence(now);
  const Duration allowed = limit + std::min(Darkness(now), limit);
  if (unconsumed_ > 0 || now - last_byte_ < allowed) return;
  if (waiting()) return TryOpen(true);
  Release();
  End({StreamEnd::Kind::kStalled, 0,
       fmt::format("no byte came for {} s", std::chrono::duration_cast<seconds>(limit).count())});
}

// How much longer than usual the provider may take: as long as its path was dark since the last
// byte. Nothing while it is dark.
Duration GetStream::Darkness(Instant now) {
  const Instant checked_before = std::exchange(last_check_, now);
  const quic::Silence* silence = connection_ ? shared_.endpoint.SilenceOf(*connection_) : nullptr;
  if (silence == nullptr) return Duration::zero();
  if (last_byte_ >= checked_before) silence_before_ = silence->total();
  return silence->lasts(now) ? Duration::zero() : silence->total() - silence_before_;
}

void GetStream::ConnectionClosed(quic::ConnectionId connection) {
  if (connection_ != connection) return;
  stream_.reset();
  End({StreamEnd::Kind::kStopped, 0, "its connection was closed"});
}

void GetStream::ConnectionReplaced(quic::ConnectionId connection) {
  if (connection_ != connection || state_ == State::kEnded) return;
  Release();
  held_.reset();
  End({StreamEnd::Kind::kMoved, 0, "its connection was replaced"});
}

void GetStream::NotReplaced() {
  if (held_) End(*std::exchange(held_, std::nullopt));
}

void GetStream::OnData(ByteView bytes) {
  last_byte_ = shared_.now();
  unconsumed_ += bytes.size();
  if (gathered_.empty()) {
    // Pieces come in the sizes of those before them.
    gathered_.reserve(std::min(kPieceBytes, last_piece_ + last_piece_ / 4) + bytes.size());
    shared_.wants_flush();
  }
  gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
  if (gathered_.size() >= kPieceBytes) HandOver();
}

void GetStream::OnFin() {
  finished_ = true;
  End({});
}

void GetStream::OnReset(uint64_t code) { End({StreamEnd::Kind::kReset, code, ""}); }

void GetStream::OnLost(const quic::CloseReason& why) {
  End({StreamEnd::Kind::kLost, why.code,
       why.reason.empty() ? "the connection was lost"
                          : fmt::format("the connection was lost: {}", why.reason)});
}

void GetStream::End(StreamEnd end) {
  if (state_ == State::kEnded) return;
  if (end.kind == StreamEnd::Kind::kLost && shared_.being_replaced && shared_.being_replaced()) {
    held_ = std::move(end);
    state_ = State::kOpen;  // it is not to be tried again
    return;
  }
  state_ = State::kEnded;
  HandOver();
  shared_.strand->Post(
      [receiver = shared_.receiver, number = number_, end = std::move(end)]() mutable {
        receiver->OnStreamEnd(number, std::move(end));
      });
}

}  // namespace blobd::transfer
