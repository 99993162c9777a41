#include "store/disk_files.h"

#include <utility>

namespace blobd::store {
namespace {

StatusOr<std::unique_ptr<File>> OpenEither(FileSystem& file_system, const std::string& first,
                                           const std::string& second) {
  StatusOr<std::unique_ptr<File>> file = file_system.Open(first, OpenMode::kReadWrite);
  if (file.status().code() != StatusCode::kNotFound) return file;
  return file_system.Open(second, OpenMode::kReadWrite);
}

SharedFiles Share(std::unique_ptr<File> data, std::unique_ptr<File> outboard) {
  return std::make_shared<const DiskFiles>(DiskFiles{std::move(data), std::move(outboard)});
}

}  // namespace

StatusOr<SharedFiles> OpenFiles(FileSystem& file_system, const FilePair& paths, OpenMode mode) {
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<File> data, file_system.Open(paths.data, mode));
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<File> outboard, file_system.Open(paths.outboard, mode));
  return Share(std::move(data), std::move(outboard));
}

StatusOr<SharedFiles> OpenMovingFiles(FileSystem& file_system, const FilePair& partial,
                                      const FilePair& complete) {
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<File> data,
                         OpenEither(file_system, complete.data, partial.data));
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<File> outboard,
                         OpenEither(file_system, complete.outboard, partial.outboard));
  return Share(std::move(data), std::move(outboard));
}

StatusOr<SharedFiles> OpenLiveFiles(FileSystem& file_system, const Layout& layout, const Hash& hash,
                                    bool may_be_moved) {
  const FilePair partial = layout.Partial(hash);
  return may_be_moved ? OpenMovingFiles(file_system, partial, layout.Complete(hash))
                      : OpenFiles(file_system, partial, OpenMode::kReadWrite);
}

StatusOr<SharedFiles> OpenCompleteFiles(FileSystem& file_system, const FilePair& paths) {
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<File> data, file_system.Open(paths.data, OpenMode::kRead));
  StatusOr<std::unique_ptr<File>> outboard = file_system.Open(paths.outboard, OpenMode::kRead);
  if (outboard.status().code() == StatusCode::kNotFound) return Share(std::move(data), nullptr);
  BLOBD_RETURN_IF_ERROR(outboard.status());
  return Share(std::move(data), *std::move(outboard));
}

Status RemoveFiles(FileSystem& file_system, const FilePair& paths) {
  const Status data = file_system.Unlink(paths.data);
  const Status outboard = file_system.Unlink(paths.outboard);
  // Alone it says nothing; what cannot be removed goes with the next opening.
  if (!paths.unproven_log.empty()) (void)file_system.Unlink(paths.unproven_log);
  if (!data.ok() && data.code() != StatusCode::kNotFound) return data;
  if (!outboard.ok() && outboard.code() != StatusCode::kNotFound) return outboard;
  return OkStatus();
}

Status ClearTarget(FileSystem& file_system, const Layout& layout, const Hash& hash) {
  const FilePair paths = layout.Complete(hash);
  bool is_changed = false;
  for (const std::string& path : {paths.data, paths.outboard}) {
    const Status status = file_system.Unlink(path);
    if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
    is_changed = is_changed || status.ok();
  }
  return is_changed ? file_system.SyncDirectory(layout.DirectoryOf(hash)) : OkStatus();
}

Status MakeOutboardFile(FileSystem& file_system, const Layout& layout, const Hash& hash) {
  const FilePair complete = layout.Complete(hash);
  const Status data = file_system.Open(complete.data, OpenMode::kRead).status();
  if (data.code() == StatusCode::kNotFound) return OkStatus();
  BLOBD_RETURN_IF_ERROR(data);
  const Status moving = file_system.Open(layout.Partial(hash).outboard, OpenMode::kRead).status();
  if (moving.code() != StatusCode::kNotFound) return moving;
  return file_system.Open(complete.outboard, OpenMode::kCreate).status();
}

Status SyncFiles(const DiskFiles& files) {
  BLOBD_RETURN_IF_ERROR(files.data->Sync());
  return files.outboard->Sync();
}

}  // namespace blobd::store
