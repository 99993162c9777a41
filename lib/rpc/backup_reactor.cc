#include "rpc/backup_reactor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace blobd::rpc {

BackupReactor::BackupReactor(const ServiceContext& context, Maintenance& maintenance)
    : context_(context), maintenance_(maintenance), strand_(context.workers.MakeStrand()) {}

BackupReactor::~BackupReactor() {
  if (file_ >= 0) close(file_);
}

void BackupReactor::Begin(const Status& caller) {
  if (!caller.ok()) return End(caller);
  context_.OnControl(this, [this] {
    maintenance_.BackupRegistry([this](StatusOr<std::string> path) {
      strand_->Post([this, path = std::move(path)]() mutable { OnCopy(std::move(path)); });
    });
  });
}

void BackupReactor::OnCopy(StatusOr<std::string> path) {
  if (!path.ok()) return End(path.status());
  file_ = open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  const int error = errno;
  // The descriptor keeps the bytes; whatever ends this call, no file is left behind.
  unlink(path->c_str());
  if (file_ < 0) return End(ErrnoStatus(error, "open the copy of the registry"));
  SendNext();
}

void BackupReactor::SendNext() {
  if (message_.has_total_bytes()) return End(OkStatus());
  std::string& data = *message_.mutable_data();
  data.resize(kMessage);
  const ssize_t size = pread(file_, data.data(), data.size(), static_cast<off_t>(sent_));
  if (size < 0) return End(ErrnoStatus(errno, "read the copy of the registry"));
  data.resize(static_cast<size_t>(size));
  sent_ += data.size();
  if (size == 0) message_.set_total_bytes(sent_);
  Write(&message_);
}

void BackupReactor::OnWriteDone(bool ok) {
  TakeOver();
  if (!ok) return EndWith(grpc::Status::CANCELLED);
  strand_->Post([this] { SendNext(); });
}

}  // namespace blobd::rpc
