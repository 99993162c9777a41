// outboard: writes the hash tree of a file beside it, for a web server that has both: then blobd
// can verify what comes from there part by part. Needs no daemon.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "bao/outboard.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/copy_file.h"
#include "client/new_file.h"
#include "client/progress_line.h"
#include "client/sentence.h"

namespace blobd::client {
namespace {

// protocol/formats.md, section 8; what blobd asks mirrors for.
constexpr std::string_view kSuffix = ".obao4";
constexpr size_t kPiece = 1 << 20;

struct Written {
  std::string path;
  bao::OutboardBuilder::Result content;
};

bool IsTheSame(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

Status HashFile(Context& context, int fd, uint64_t size, bao::OutboardBuilder& builder) {
  ProgressLine line(!context.style.quiet && !context.style.is_json());
  Bytes piece(kPiece);
  posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  while (true) {
    if (context.interrupt.happened()) return Cancelled("interrupted");
    const ssize_t got = read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "read");
    if (got == 0) return OkStatus();
    const auto bytes = ByteView(piece).first(static_cast<size_t>(got));
    if (bytes.size() > bao::kMaxBlobSize - builder.size()) {
      return InvalidArgument("it is larger than the largest blob, {}",
                             FormatSize(bao::kMaxBlobSize));
    }
    builder.Append(bytes);
    line.Show("hashing", builder.size(), std::max(size, builder.size()));
  }
}

StatusOr<Written> WriteOutboard(Context& context, const std::string& path,
                                const OutboardOptions& options) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return FileError(errno, "open " + EscapeForTerminal(path));
  struct stat before {};
  if (fstat(file.get(), &before) != 0) return FileError(errno, "stat " + EscapeForTerminal(path));
  if (!S_ISREG(before.st_mode))
    return InvalidArgument("{} is no regular file", EscapeForTerminal(path));
  Written written;
  written.path = options.output.empty() ? path + std::string(kSuffix) : options.output;
  struct stat there {};
  if (stat(written.path.c_str(), &there) == 0 && there.st_dev == before.st_dev &&
      there.st_ino == before.st_ino) {
    return InvalidArgument("{} is the file itself", EscapeForTerminal(written.path));
  }
  // Before the work, so that it is not for nothing.
  BLOBD_ASSIGN_OR_RETURN(NewFile target, NewFile::Begin(written.path, options.force));
  bao::OutboardBuilder builder;
  if (const Status status =
          HashFile(context, file.get(), static_cast<uint64_t>(before.st_size), builder);
      !status.ok()) {
    return Annotate(status, EscapeForTerminal(path));
  }
  Status status;
  written.content = builder.Finish([&](uint64_t, ByteView piece) {
    const std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (status.ok()) status = WriteAll(target.fd(), text);
  });
  BLOBD_RETURN_IF_ERROR(status);
  struct stat after {};
  if (fstat(file.get(), &after) != 0 || !IsTheSame(before, after)) {
    return FailedPrecondition("{} was changed while it was read; nothing is written",
                              EscapeForTerminal(path));
  }
  BLOBD_RETURN_IF_ERROR(target.Commit());
  return written;
}

void Print(const Style& style, const std::string& path, const Written& written) {
  const std::string hash = written.content.root.ToHex();
  const uint64_t size = bao::OutboardSize(written.content.size);
  if (style.is_json()) {
    google::protobuf::Struct report;
    auto& fields = *report.mutable_fields();
    fields["file"].set_string_value(path);
    fields["hash"].set_string_value(hash);
    fields["size"].set_string_value(std::to_string(written.content.size));
    fields["outboard"].set_string_value(written.path);
    fields["outboardSize"].set_string_value(std::to_string(size));
    PrintJson(style, report);
  } else if (style.quiet) {
    PrintOut("{}\n", hash);
  } else {
    Say(style, "{} {} {}\n", hash, FormatSize(size), EscapeForTerminal(written.path));
  }
}

}  // namespace

int RunOutboard(Context& context, const OutboardOptions& options) {
  if (!options.output.empty() && options.files.size() != 1)
    return Fail(InvalidArgument("-o goes with one file"));
  for (const std::string& path : options.files) {
    // JSON would have another name.
    if (context.style.is_json() && !(IsUtf8(path) && IsUtf8(options.output))) {
      return Fail(InvalidArgument("{}: the name is not UTF-8, as JSON is; leave --json out",
                                  EscapeForTerminal(path)));
    }
    const auto written = WriteOutboard(context, path, options);
    if (!written.ok()) return Fail(written.status());
    Print(context.style, path, *written);
  }
  return kExitDone;
}

}  // namespace blobd::client
