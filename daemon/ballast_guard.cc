#include "daemon/ballast_guard.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/units.h"
#include "sqlite/ballast.h"

namespace blobd::daemon {
namespace {

// Enough for thousands of rows, and no loss on a small file system.
constexpr uint64_t kMostBallast = 4 * kMiB;
constexpr uint64_t kShareOfDisk = 64;
// With less than this free SQLite may fail at any commit.
constexpr uint64_t kLeastFree = kMiB;

}  // namespace

struct BallastGuard::State {
  std::string path;
  std::shared_ptr<Executor> strand;
  LogSink& log;
  std::optional<sqlite::Ballast> ballast = {};  // on the strand
};

BallastGuard::BallastGuard(std::string path, store::BlobStore& store,
                           std::shared_ptr<Executor> strand, LogSink& log)
    : state_(std::make_shared<State>(State{std::move(path), std::move(strand), log})) {
  watch_ = store.WatchDisk(
      *state_->strand, [state = state_](const store::DiskState& disk) { OnDisk(*state, disk); });
}

BallastGuard::~BallastGuard() = default;

void BallastGuard::MakeRoomToStart(const std::string& path, LogSink& log) {
  const StatusOr<bool> released = sqlite::Ballast(path, 0).ReleaseIfFull(kLeastFree);
  if (!released.ok()) {
    log.Write(engine::LogLevel::kWarning, "ballast: " + Message(released.status()));
  } else if (*released) {
    log.Write(engine::LogLevel::kWarning,
              "the disk is full to the last byte: the ballast was thrown off to start");
  }
}

void BallastGuard::OnDisk(State& state, const store::DiskState& disk) {
  if (!state.ballast) {
    const uint64_t size = std::min(kMostBallast, disk.total_bytes / kShareOfDisk);
    state.ballast.emplace(state.path, static_cast<int64_t>(size));
  }
  Status status;
  if (disk.condition == store::DiskCondition::kOk) {
    status = state.ballast->Take(static_cast<int64_t>(disk.reserve_bytes));
    if (status.code() == StatusCode::kResourceExhausted) return;  // when there is more room
  } else if (disk.condition == store::DiskCondition::kFull && disk.free_bytes < kLeastFree &&
             state.ballast->taken()) {
    status = state.ballast->Release();
    if (status.ok()) {
      state.log.Write(engine::LogLevel::kWarning,
                      "the disk is full to the last byte: the ballast was thrown off, so that "
                      "blobs can be removed");
    }
  }
  if (!status.ok()) state.log.Write(engine::LogLevel::kWarning, "ballast: " + Message(status));
}

}  // namespace blobd::daemon
