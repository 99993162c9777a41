#include "rpc/import_source.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/error_reason.h"

namespace blobd::rpc {
namespace {

// File systems on a disk or in memory, by what fstatfs says of them. overlayfs is not among them:
// an ordinary user can stack one on a FUSE file system of their own.
constexpr std::array<uint32_t, 15> kLocalFileSystems = {
    EXT4_SUPER_MAGIC,  // and ext2, ext3
    XFS_SUPER_MAGIC,   BTRFS_SUPER_MAGIC,
    TMPFS_MAGIC,  // and memfd
    F2FS_SUPER_MAGIC,
    MSDOS_SUPER_MAGIC,  // and vfat
    EXFAT_SUPER_MAGIC, ISOFS_SUPER_MAGIC,    UDF_SUPER_MAGIC,
    SQUASHFS_MAGIC,    EROFS_SUPER_MAGIC_V1, NILFS_SUPER_MAGIC,
    0x2fc12fc1,  // ZFS
    0xca451a4e,  // bcachefs
    0x7366746e,  // NTFS3
};

}  // namespace

Status CheckImportSource(int descriptor) {
  struct stat info {};
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fstat(descriptor, &info) != 0) return ErrnoStatus(errno, "import");
  if (!S_ISREG(info.st_mode)) {
    return ErrorFor(Reason::kDescriptorUnusable,
                    "the descriptor is no regular file; send its bytes with Blobs.Add");
  }
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) {
    return ErrorFor(Reason::kDescriptorUnusable, "the file is not opened for reading");
  }
  struct statfs system {};
  if (fstatfs(descriptor, &system) != 0) return ErrnoStatus(errno, "import");
  const auto type = static_cast<uint32_t>(system.f_type);
  if (std::find(kLocalFileSystems.begin(), kLocalFileSystems.end(), type) ==
      kLocalFileSystems.end()) {
    return WithReason(
        Reason::kDescriptorUnusable,
        MakeStatus(
            StatusCode::kUnimplemented,
            "the file is on a file system (type {:#x}) that may keep the daemon waiting; send "
            "its bytes with Blobs.Add",
            type));
  }
  return OkStatus();
}

Status SourceInspector::StartRealThread(const std::shared_ptr<Task>& work) {
  try {
    std::thread([work] { (*work)(); }).detach();
  } catch (const std::system_error& error) {
    return ErrorFor(Reason::kNoResources, "there is no thread for it: {}", error.what());
  }
  return OkStatus();
}

bool SourceInspector::MayTake(const engine::Caller& caller) {
  RunLeft();
  if (!quota_.Take(caller, "descriptors").ok()) return false;
  quota_.Give(caller);
  return true;
}

void SourceInspector::Inspect(const engine::Caller& caller, store::Descriptor descriptor,
                              UniqueFunction<void(StatusOr<store::Descriptor>)> done) {
  // Both are used by the thread, or, if there is none, by this one and then by a later one.
  auto shared_done = std::make_shared<decltype(done)>(std::move(done));
  const Status started =
      OnThread(caller, [loop = loop_, descriptor = std::move(descriptor), shared_done]() mutable {
        if (!*shared_done) return;  // closed here
        const Status status = CheckImportSource(descriptor.fd());
        auto answer = status.ok() ? StatusOr<store::Descriptor>(std::move(descriptor))
                                  : StatusOr<store::Descriptor>(status);
        // Closed here if it is refused, after the answer.
        loop->Post([shared_done, answer = std::move(answer)]() mutable {
          (*shared_done)(std::move(answer));
        });
        descriptor = store::Descriptor();
      });
  if (started.ok()) return;
  loop_->Post([done = std::exchange(*shared_done, nullptr), started]() mutable {
    done(WithReason(ReasonOf(started),
                    Unavailable("{}; send the bytes with Blobs.Add", Message(started))));
  });
}

void SourceInspector::Close(const engine::Caller& caller,
                            std::vector<store::Descriptor> descriptors) {
  if (descriptors.empty()) return;
  (void)OnThread(caller, [descriptors = std::move(descriptors)]() mutable { descriptors.clear(); });
}

Status SourceInspector::OnThread(const engine::Caller& caller, Task work) {
  BLOBD_CHECK(quota_.Take(caller, "descriptors").ok());
  RunLeft();
  const auto counted =
      std::make_shared<Task>([this, loop = loop_, caller, work = std::move(work)]() mutable {
        work();
        work = nullptr;
        loop->Post([this, caller] { quota_.Give(caller); });
      });
  const Status started = start_thread_(counted);
  if (!started.ok()) left_.push_back(counted);
  return started;
}

void SourceInspector::RunLeft() {
  while (!left_.empty() && start_thread_(left_.front()).ok()) left_.pop_front();
}

}  // namespace blobd::rpc
