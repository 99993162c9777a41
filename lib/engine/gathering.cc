#include "engine/gathering.h"

#include <utility>

#include "engine/lease.h"

namespace blobd::engine {
namespace {

constexpr size_t kTagPage = 1000;

}  // namespace

Gathering::Gathering(Deps deps, WallTime now, WallTime finished_after)
    : deps_(std::move(deps)),
      now_(now),
      finished_after_(finished_after),
      journal_(std::make_unique<Journal::Reader>(deps_.wants.journal())) {}

std::shared_ptr<Gathering> Gathering::OfPrivateTags(Deps deps) {
  auto gathering = std::make_shared<Gathering>(std::move(deps), WallTime(), WallTime());
  gathering->only_private_tags_ = true;
  return gathering;
}

void Gathering::Start(UniqueFunction<void(Status)> done) {
  started_ = std::move(done);
  if (only_private_tags_) return ListTags("");
  for (const Hash& root : deps_.wants.WantedSequences()) {
    Hold({root, BlobFormat::kHashSeq}, {.because = KeptBecause::kWanted}, "what an intent wants");
  }
  ListTags("");
}

// Behind what the strand still has to take in, which keeps the gathering: it must not be the last
// to do so.
void Gathering::Fail(const Status& status) {
  auto back =
      std::make_unique<Return>(Return{shared_from_this(), std::exchange(started_, nullptr)});
  deps_.strand->Post([&control = deps_.control, back = std::move(back), status]() mutable {
    control.Post([back = std::move(back), status] { back->then(status); });
  });
}

void Gathering::ListTags(const std::string& after) {
  deps_.registry.ListTags(
      {}, after, kTagPage,
      [self = shared_from_this()](StatusOr<std::vector<registry::TagRow>> page) {
        if (!page.ok()) return self->Fail(page.status());
        self->OnTags(*std::move(page));
      });
}

void Gathering::OnTags(std::vector<registry::TagRow> page) {
  for (registry::TagRow& row : page) {
    if (only_private_tags_ && !row.is_private) continue;
    Keeping keeping{.because = KeptBecause::kTagged,
                    .owner_uid = row.owner_uid,
                    .tag = row.name,
                    .is_private = row.is_private};
    Hold(row.kind, std::move(keeping), "tag \"" + row.name + "\"");
  }
  if (page.size() == kTagPage) return ListTags(page.back().name);
  if (only_private_tags_) return ReadAndEnd();
  deps_.registry.ListLeases(
      [self = shared_from_this()](StatusOr<std::vector<registry::LeaseRow>> rows) {
        if (!rows.ok()) return self->Fail(rows.status());
        self->OnLeases(*std::move(rows));
      });
}

// There may be very many leases and intents: they are taken in on the strand.
void Gathering::OnLeases(std::vector<registry::LeaseRow> rows) {
  deps_.strand->Post([self = shared_from_this(), rows = std::move(rows)] {
    for (const registry::LeaseRow& row : rows) {
      if (row.until <= self->now_) continue;
      Keeping keeping{
          .because = KeptBecause::kLeased, .owner_uid = LeaseOwner(row.holder), .until = row.until};
      self->Hold(row.kind, std::move(keeping), "what was added lately");
    }
  });
  deps_.registry.ListProtected(
      now_, finished_after_,
      [self = shared_from_this()](StatusOr<std::vector<registry::ProtectedRow>> found) {
        if (!found.ok()) return self->Fail(found.status());
        self->OnProtected(*std::move(found));
      });
}

// Tags and leases are known better already, and unfinished intents are asked for when it matters.
void Gathering::OnProtected(std::vector<registry::ProtectedRow> rows) {
  deps_.strand->Post([self = shared_from_this(), rows = std::move(rows)] {
    for (const registry::ProtectedRow& row : rows) {
      if (row.why != registry::Protection::kFinishedIntent) continue;
      self->Hold(row.kind, {.because = KeptBecause::kFinished}, "what was got lately");
    }
  });
  ReadAndEnd();
}

void Gathering::ReadAndEnd() {
  ReadLists([self = shared_from_this()](const Status& status) {
    if (!status.ok()) return self->Fail(status);
    self->Update(std::exchange(self->started_, nullptr));
  });
}

void Gathering::Hold(const Kind& kind, Keeping keeping, std::string name) {
  const Protection::Holder holder = protection_->Add(kind.hash, std::move(keeping));
  if (kind.format == BlobFormat::kHashSeq) lists_.push_back({holder, kind.hash, std::move(name)});
}

// The protection and the lists are the strand's until it has answered. What is carried there and
// back keeps the gathering, which must end on the control loop, as its reader of the journal does.
void Gathering::ReadLists(UniqueFunction<void(Status)> then) {
  auto back = std::make_unique<Return>(Return{shared_from_this(), std::move(then)});
  deps_.strand->Post([&store = deps_.store, &control = deps_.control, strand = deps_.strand,
                      protection = protection_, back = std::move(back)]() mutable {
    // Here, behind what the strand still had to take in.
    std::vector<ListToRead> lists = std::exchange(back->self->lists_, {});
    auto read = [&control, protection, back = std::move(back)](const Status& status) mutable {
      protection->Sort();
      control.Post([back = std::move(back), status] { back->then(status); });
    };
    engine::ReadLists(store, strand, std::move(lists), protection, std::move(read));
  });
}

void Gathering::Update(UniqueFunction<void(Status)> then) {
  // What came meanwhile is in no private tag.
  if (only_private_tags_) return then(OkStatus());
  for (const Kind& kind : journal_->Take()) {
    fresh_.insert(kind.hash);
    if (kind.format == BlobFormat::kHashSeq) {
      Hold(kind, {.because = KeptBecause::kWanted}, "what came meanwhile");
    }
  }
  if (lists_.empty()) return then(OkStatus());
  ReadLists([self = shared_from_this(), then = std::move(then)](const Status& status) mutable {
    if (!status.ok()) return then(status);
    self->Update(std::move(then));
  });
}

}  // namespace blobd::engine
