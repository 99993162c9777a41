#include "engine/list_reader.h"

#include <utility>

#include "base/error_reason.h"
#include "blake3/hasher.h"
#include "transfer/inventory.h"

namespace blobd::engine {
namespace {

using store::BlobReader;

Status CannotTell(const ListToRead& list, const std::string& why) {
  return ErrorFor(
      Reason::kListUnreadable,
      "{} is a collection whose list cannot be read ({}), so what it keeps is not known", list.name,
      why);
}

Status Rotted(const ListToRead& list) {
  return ErrorFor(
      Reason::kListUnreadable,
      "{} is a collection whose list was damaged, so it is not known what it keeps until the list "
      "is here again; get it again, delete what names it, or remove it by force",
      list.name);
}

// Lives on the strand, held by the callback it waits for.
class ListReader : public std::enable_shared_from_this<ListReader> {
 public:
  ListReader(store::BlobStore& store, std::shared_ptr<Executor> strand,
             std::vector<ListToRead> lists, std::shared_ptr<Protection> protection,
             UniqueFunction<void(Status)> done)
      : store_(store),
        strand_(std::move(strand)),
        lists_(std::move(lists)),
        protection_(std::move(protection)),
        done_(std::move(done)) {}

  void Next() {
    while (next_ < lists_.size() && protection_->Join(lists_[next_].holder, lists_[next_].root))
      ++next_;
    if (next_ == lists_.size()) return done_(OkStatus());
    store_.Lookup(lists_[next_].root, *strand_,
                  [self = shared_from_this()](StatusOr<store::BlobInfo> info) {
                    self->OnInfo(std::move(info));
                  });
  }

 private:
  void OnInfo(StatusOr<store::BlobInfo> info) {
    const ListToRead& list = lists_[next_];
    if (!info.ok()) return done_(CannotTell(list, Message(info.status())));
    if (info->was_complete) return done_(Rotted(list));
    if (info->state != store::BlobState::kComplete) return Skip();
    // No hash sequence at all: it lists nothing, and nobody can ever have got it as one.
    if (!transfer::CheckHashSeqSize(info->hash, info->size, {}).ok()) return Skip();
    store_.OpenReader(list.root, *strand_,
                      [self = shared_from_this()](StatusOr<std::shared_ptr<BlobReader>> reader) {
                        self->OnReader(std::move(reader));
                      });
  }

  void Skip() {
    ++next_;
    Next();
  }

  void OnReader(StatusOr<std::shared_ptr<BlobReader>> reader) {
    const ListToRead& list = lists_[next_];
    if (!reader.ok()) return done_(CannotTell(list, Message(reader.status())));
    Bytes content((*reader)->info().size);
    if (const Status status = (*reader)->ReadAt(0, content); !status.ok()) {
      return done_(CannotTell(list, Message(status)));
    }
    // A flipped bit in it would give a blob away that it lists.
    if (blake3::HashOf(content) != list.root) {
      return done_(CannotTell(list, "it is damaged; \"blobctl verify\" repairs it"));
    }
    protection_->AddList(list.holder, list.root, content);
    Skip();
  }

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  std::vector<ListToRead> lists_;
  const std::shared_ptr<Protection> protection_;
  UniqueFunction<void(Status)> done_;
  size_t next_ = 0;
};

}  // namespace

void ReadLists(store::BlobStore& store, std::shared_ptr<Executor> strand,
               std::vector<ListToRead> lists, std::shared_ptr<Protection> protection,
               UniqueFunction<void(Status)> done) {
  std::make_shared<ListReader>(store, std::move(strand), std::move(lists), std::move(protection),
                               std::move(done))
      ->Next();
}

}  // namespace blobd::engine
