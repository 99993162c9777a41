#include "transfer/serve_blobs.h"

#include <utility>

#include "base/overloaded.h"

namespace blobd::transfer {
namespace {

using store::BlobInfo;
using store::BlobState;

// A piece takes a place among the few reads at once; it must not keep it for thousands of tiny
// blobs.
constexpr size_t kBlobsPerPiece = 64;
constexpr uint64_t kHashSize = 32;
constexpr uint64_t kHashesPerGroup = store::kGroupSize / kHashSize;

// A size that nobody proved is the claim of some provider, and so may be absurd.
bool MayBeServed(const BlobInfo& info) {
  if (info.is_private || info.groups.empty()) return false;
  return info.size_proven || (info.size > 0 && info.size <= bao::kMaxBlobSize);
}

}  // namespace

ServeBlobs::ServeBlobs(ServeContext context, ServeSelection selection, size_t request_memory)
    : context_(std::move(context)),
      request_memory_(request_memory),
      selection_(std::move(selection)) {}

void ServeBlobs::Produce(size_t limit) {
  piece_.resize(limit);
  used_ = 0;
  opened_ = 0;
  Continue();
}

void ServeBlobs::Close() { closed_ = true; }

void ServeBlobs::Continue() {
  while (!closed_) {
    const bool is_full = used_ == piece_.size();
    if (current_ != nullptr) {
      if (is_full) return Deliver(Produced::Next::kMore);
      if (!current_->source.is_attached())
        return Open(current_->source.hash(), &ServeBlobs::OnBlob);
      if (!Encode()) return;
      continue;
    }
    const auto place = selection_.place();
    if (!place) return Deliver(Produced::Next::kFinish);
    if (is_full || opened_ == kBlobsPerPiece) return Deliver(Produced::Next::kMore);
    ++opened_;
    return Locate(*place);
  }
  Deliver(Produced::Next::kFinish);
}

bool ServeBlobs::Encode() {
  const auto filled = current_->encoder.Fill(MutableBytes(piece_).subspan(used_));
  if (!filled.ok()) {
    Fail(filled.status(), &current_->source);
    return false;
  }
  used_ += *filled;
  if (current_->encoder.done()) {
    current_.reset();
    selection_.Advance();
  }
  return true;
}

void ServeBlobs::Locate(const ServeSelection::Place& place) {
  std::visit(
      Overloaded{[&](const ServeSelection::Named& named) { Open(named.hash, &ServeBlobs::OnBlob); },
                 [&](const ServeSelection::Child& child) {
                   if (!CanFind(child)) return Open(child.root, &ServeBlobs::OnRoot);
                   const auto hash = ChildHash(child.number);
                   if (!hash.ok()) return Fail(hash.status(), &*root_);
                   Open(*hash, &ServeBlobs::OnBlob);
                 }},
      place);
}

// Asked first, since opening counts as use and takes longer than to find nothing: both would tell
// that a private blob is here.
void ServeBlobs::Open(const Hash& hash, Then then) {
  context_.store.Lookup(hash, *context_.strand,
                        [self = shared_from_this(), then](StatusOr<BlobInfo> info) {
                          if (self->closed_) return self->Deliver(Produced::Next::kFinish);
                          if (!info.ok()) return self->Fail(info.status(), nullptr);
                          if (!MayBeServed(*info)) return self->Deliver(Produced::Next::kFinish);
                          self->OpenKnown(*info, then);
                        });
}

void ServeBlobs::OpenKnown(const BlobInfo& info, Then then) {
  context_.store.OpenReader(info.hash, *context_.strand,
                            [self = shared_from_this(), info, then](StatusOr<Reader> reader) {
                              self->OnOpened(info, then, std::move(reader));
                            });
}

void ServeBlobs::OnOpened(const BlobInfo& info, Then then, StatusOr<Reader> reader) {
  if (!reader.ok()) {
    if (closed_) return Deliver(Produced::Next::kFinish);
    if (reader.status().code() == StatusCode::kDataLoss) Withdraw(info, info.groups);
    return Fail(reader.status(), nullptr);
  }
  Reader counted = context_.readers->Count(*std::move(reader));
  // It may have changed in between.
  if (closed_ || !MayBeServed(counted->info())) return EndWithout(std::move(counted));
  (this->*then)(std::move(counted));
}

void ServeBlobs::OnRoot(Reader reader) {
  if (root_) return Attach(*root_, std::move(reader));
  const BlobInfo& info = reader->info();
  if (info.state != BlobState::kComplete || info.size % kHashSize != 0)
    return EndWithout(std::move(reader));  // no hash sequence, or none that is known
  root_.emplace(std::move(reader));
  Continue();
}

void ServeBlobs::OnBlob(Reader reader) {
  if (current_ != nullptr) return Attach(current_->source, std::move(reader));
  // Asked for children of what has none, 0.35 sends nothing, not even the root.
  const BlobInfo& info = reader->info();
  if (selection_.at_root_of_sequence() && info.size_proven && info.size % kHashSize != 0)
    return EndWithout(std::move(reader));
  current_ = std::make_unique<Current>(std::move(reader), selection_.wanted());
  Continue();
}

void ServeBlobs::Attach(ServeSource& source, Reader reader) {
  if (reader->info().size != source.size()) return EndWithout(std::move(reader));
  source.Attach(std::move(reader));
  Continue();
}

bool ServeBlobs::CanFind(const ServeSelection::Child& child) const {
  return root_ && (root_->is_attached() || hashes_group_ == child.number / kHashesPerGroup);
}

StatusOr<Hash> ServeBlobs::ChildHash(uint64_t number) {
  if (number >= root_->size() / kHashSize) return NotFound("there is no child {}", number);
  const uint64_t group = number / kHashesPerGroup;
  if (hashes_group_ != group) {
    hashes_group_.reset();
    BLOBD_ASSIGN_OR_RETURN(hashes_, root_->ReadGroup(group));
    hashes_group_ = group;
  }
  const size_t at = static_cast<size_t>(number % kHashesPerGroup * kHashSize);
  return *Hash::FromBytes(ByteView(hashes_).subspan(at, kHashSize));
}

void ServeBlobs::EndWithout(Reader reader) {
  reader.reset();
  Deliver(Produced::Next::kFinish);
}

void ServeBlobs::Fail(const Status& why, const ServeSource* source) {
  if (why.code() == StatusCode::kNotFound) return Deliver(Produced::Next::kFinish);
  if (why.code() == StatusCode::kDataLoss) {
    if (source != nullptr) Withdraw(source->info(), source->last_read());
    return Deliver(Produced::Next::kFinish);
  }
  Deliver(Produced::Next::kReset, kServeResetInternal);
}

// Under a size that is only claimed, verified groups may seem not to fit: then it is the claim that
// is wrong.
void ServeBlobs::Withdraw(const BlobInfo& info, const RangeSet& groups) {
  if (!info.size_proven) return;
  context_.store.Withdraw(info.hash, groups, *context_.strand,
                          [context = context_, hash = info.hash, groups](const Status& status) {
                            if (status.ok()) context.port->OnRotten(hash, groups);
                          });
}

void ServeBlobs::Deliver(Produced::Next next, uint64_t reset_code) {
  piece_.resize(used_);
  piece_.shrink_to_fit();  // what is counted is what it holds
  Produced produced;
  produced.bytes = std::exchange(piece_, Bytes());
  produced.next = next;
  produced.reset_code = reset_code;
  produced.request_memory = request_memory_;
  if (next != Produced::Next::kMore) {
    current_.reset();
    root_.reset();
  } else if (context_.readers->is_over_limit()) {
    if (current_ != nullptr) current_->source.Release();
    if (root_) root_->Release();
  }
  context_.port->OnProduced(std::move(produced));
}

}  // namespace blobd::transfer
