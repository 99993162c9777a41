#include "bao/decoder.h"

#include <algorithm>
#include <utility>

#include "blake3/hasher.h"

namespace blobd::bao {
namespace {

uint64_t ReadLittleEndian(ByteView bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | bytes[i - 1];
  return value;
}

const Hash& EmptyBlobHash() {
  static const Hash hash = blake3::HashOf({});
  return hash;
}

}  // namespace

Decoder::Decoder(const Hash& root, wire::ChunkRanges wanted, uint64_t max_size)
    : root_(root),
      wanted_(std::move(wanted)),
      max_size_(std::min(max_size, kMaxBlobSize)),
      done_(wanted_.empty()) {}

size_t Decoder::Feed(ByteView bytes, DecodeSink& sink) {
  size_t taken = 0;
  while (!done_ && error_ == DecodeError::kNone) {
    const size_t length = ItemLength();
    const ByteView rest = bytes.subspan(taken);
    if (part_.empty() && rest.size() >= length) {
      taken += length;
      TakeItem(rest.first(length), sink);
      continue;
    }
    const ByteView more = rest.first(std::min(rest.size(), length - part_.size()));
    part_.reserve(length);
    part_.insert(part_.end(), more.begin(), more.end());
    taken += more.size();
    if (part_.size() < length) break;
    TakeItem(part_, sink);
    part_.clear();
  }
  started_ = started_ || taken > 0;
  return taken;
}

size_t Decoder::ItemLength() const { return walk_ ? walk_->length() : kSizeHeaderSize; }

void Decoder::TakeItem(ByteView item, DecodeSink& sink) {
  if (!walk_) {
    TakeHeader(item, sink);
  } else if (walk_->at_leaf()) {
    TakeLeaf(item, sink);
  } else {
    TakePair(item);
  }
  done_ = walk_ && walk_->done();
}

void Decoder::TakeHeader(ByteView header, DecodeSink& sink) {
  const uint64_t size = ReadLittleEndian(header);
  claimed_size_ = size;
  if (size > max_size_ || (size == 0) != (root_ == EmptyBlobHash())) {
    error_ = DecodeError::kWrongSize;
    return;
  }
  walk_.emplace(root_, size, wanted_);
  sink.OnSize(size);
}

void Decoder::TakePair(ByteView pair) {
  const Subtree subtree = walk_->subtree();
  if (!walk_->AcceptPair(pair)) {
    error_ = DecodeError::kWrongPair;
    return;
  }
  if (!subtree.has_outboard_pair()) return;
  PathPair& path_pair = pairs_.emplace_back();
  path_pair.index = subtree.pair_index;
  std::copy(pair.begin(), pair.end(), path_pair.hashes.begin());
}

void Decoder::TakeLeaf(ByteView data, DecodeSink& sink) {
  const Leaf leaf{walk_->offset(), data, walk_->is_whole_group(), pairs_};
  const bool last_chunk = walk_->has_last_chunk();
  if (!walk_->AcceptLeaf(data)) {
    error_ = DecodeError::kWrongLeaf;
    return;
  }
  size_proven_ = size_proven_ || last_chunk;
  sink.OnLeaf(leaf);
  pairs_.clear();
}

}  // namespace blobd::bao
