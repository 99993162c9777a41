// SendBuffer: what one stream has to send. ngtcp2 does not copy stream data, so bytes stay where
// they are until the peer has acknowledged them.
//
// Thread: one. Units: bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace blobd::quic {

class SendBuffer {
 public:
  void Append(Bytes bytes, bool fin) {
    BLOBD_CHECK(!fin_);
    fin_ = fin;
    if (bytes.empty()) return;
    end_ += bytes.size();
    chunks_.push_back(std::move(bytes));
  }

  // True if bytes or the end of the stream wait to be sent for the first time.
  bool wants_to_send() const { return sent_ < end_ || (fin_ && !fin_sent_); }
  bool fin_queued() const { return fin_; }
  uint64_t unsent() const { return end_ - sent_; }
  uint64_t unacknowledged() const { return end_ - acknowledged_; }

  // The next bytes to send, at most `limit` views.
  std::vector<ByteView> Next(size_t limit) const {
    std::vector<ByteView> views;
    uint64_t begin = start_;
    for (const Bytes& chunk : chunks_) {
      if (views.size() == limit) break;
      const uint64_t end = begin + chunk.size();
      if (end > sent_) {
        const size_t skip = static_cast<size_t>(sent_ > begin ? sent_ - begin : 0);
        views.push_back(ByteView(chunk).subspan(skip));
      }
      begin = end;
    }
    return views;
  }
  // `bytes` of what Next gave went out, and with `fin` the end of the stream.
  void Sent(uint64_t bytes, bool fin) {
    sent_ += bytes;
    BLOBD_CHECK(sent_ <= end_ && (!fin || (fin_ && sent_ == end_)));
    if (fin) fin_sent_ = true;
  }
  // Everything before `offset` has arrived. Frees whole chunks.
  void Acknowledged(uint64_t offset) {
    BLOBD_CHECK(offset >= acknowledged_ && offset <= sent_);
    acknowledged_ = offset;
    while (!chunks_.empty() && start_ + chunks_.front().size() <= acknowledged_) {
      start_ += chunks_.front().size();
      chunks_.pop_front();
    }
  }
  // Nothing more will be sent; what was sent must stay until the stream is closed.
  void GiveUp() {
    uint64_t end = end_;
    while (!chunks_.empty() && end - chunks_.back().size() >= sent_) {
      end -= chunks_.back().size();
      chunks_.pop_back();
    }
    end_ = sent_;
    fin_ = fin_sent_ = true;
  }

 private:
  std::deque<Bytes> chunks_;
  uint64_t start_ = 0;  // offset of the first chunk; start_ <= acknowledged_ <= sent_ <= end_
  uint64_t acknowledged_ = 0;
  uint64_t sent_ = 0;
  uint64_t end_ = 0;
  bool fin_ = false;
  bool fin_sent_ = false;
};

}  // namespace blobd::quic
