// export-store: complete blobs as files HH/HASH.data, for import-store elsewhere. A file appears
// whole and synced under its name, or not at all; what is there already is not written again, so
// that an export that was broken off goes on where it was.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/export.h"
#include "client/pages.h"
#include "client/progress_line.h"
#include "client/sentence.h"
#include "client/store_files.h"
#include "client/words.h"

namespace blobd::client {
namespace {

constexpr size_t kHashBytes = 32;

std::string ToHex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return hex;
}

struct Plan {
  std::vector<v1::Blob> blobs;
  uint64_t bytes = 0;
  uint64_t private_left_out = 0;

  void Add(const v1::Blob& blob) {
    bytes += blob.size();
    blobs.push_back(blob);
  }
};

Status AddWanted(DaemonClient& daemon, const std::string& hash, Plan* plan) {
  BLOBD_ASSIGN_OR_RETURN(const v1::Blob blob, daemon.Stat(hash));
  if (blob.state() != v1::BLOB_STATE_COMPLETE)
    return NotFound("{} is not complete here; get it first", hash);
  plan->Add(blob);
  return OkStatus();
}

// A collection is its list of hashes, and every blob that is named there.
Status AddCollection(DaemonClient& daemon, const std::string& hash, Plan* plan) {
  BLOBD_RETURN_IF_ERROR(AddWanted(daemon, hash, plan));
  v1::ReadRequest request;
  request.set_hash(hash);
  std::string list;
  BLOBD_RETURN_IF_ERROR(daemon.Read(request, [&](std::string_view data) {
    list += data;
    return OkStatus();
  }));
  if (list.size() % kHashBytes != 0)
    return FailedPrecondition("{} is no collection; name it without the s", hash);
  for (size_t at = 0; at < list.size(); at += kHashBytes)
    BLOBD_RETURN_IF_ERROR(AddWanted(daemon, ToHex(list.substr(at, kHashBytes)), plan));
  return OkStatus();
}

Status AddEverything(DaemonClient& daemon, bool with_private, Plan* plan) {
  v1::ListBlobsResponse all;
  BLOBD_RETURN_IF_ERROR(CollectPages(
      v1::ListBlobsRequest(), 0,
      [&](const v1::ListBlobsRequest& request) { return daemon.ListBlobs(request); },
      [](v1::ListBlobsResponse* response) { return response->mutable_blobs(); }, &all));
  for (const v1::Blob& blob : all.blobs()) {
    if (blob.state() != v1::BLOB_STATE_COMPLETE) continue;
    if (blob.is_private() && !with_private) {
      ++plan->private_left_out;
    } else {
      plan->Add(blob);
    }
  }
  return OkStatus();
}

StatusOr<Plan> MakePlan(Context& context, const ExportStoreOptions& options) {
  DaemonClient& daemon = *context.daemon;
  Plan plan;
  if (options.wanted.empty()) {
    BLOBD_RETURN_IF_ERROR(AddEverything(daemon, options.with_private, &plan));
    return plan;
  }
  for (std::string wanted : options.wanted) {
    BLOBD_RETURN_IF_ERROR(ResolveTag(context, &wanted));
    const v1::Kind kind = KindOf(wanted);
    BLOBD_RETURN_IF_ERROR(kind.format() == v1::BLOB_FORMAT_HASH_SEQ
                              ? AddCollection(daemon, kind.hash(), &plan)
                              : AddWanted(daemon, kind.hash(), &plan));
  }
  return plan;
}

// The directory, made if it is missing, and ours alone until the descriptor is closed.
StatusOr<Descriptor> OpenTarget(const std::string& path) {
  if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
    return FileError(errno, "mkdir " + EscapeForTerminal(path));
  BLOBD_ASSIGN_OR_RETURN(Descriptor root, OpenDirectory(path));
  if (flock(root.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return FailedPrecondition("another blobctl exports to {}", EscapeForTerminal(path));
  return root;
}

// True if it was written now.
StatusOr<bool> WriteStoreFile(DaemonClient& daemon, int root, const v1::Blob& blob,
                              const BytesWritten& written) {
  const std::string name = StoreFileName(blob.hash());
  struct stat there {};
  if (fstatat(root, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(there.st_mode)) return FailedPrecondition("{} is no regular file", name);
    if (static_cast<uint64_t>(there.st_size) == blob.size()) return false;
  }
  if (mkdirat(root, blob.hash().substr(0, 2).c_str(), 0777) != 0 && errno != EEXIST)
    return FileError(errno, "mkdir for " + name);
  // Always the same name, since no other blobctl exports here. What was broken off, or somebody put
  // there, goes: a file that others hold open would stay theirs to write.
  const std::string temporary = name + ".part";
  if (unlinkat(root, temporary.c_str(), 0) != 0 && errno != ENOENT)
    return FileError(errno, "unlink " + temporary);
  BLOBD_ASSIGN_OR_RETURN(const Descriptor file,
                         OpenBeneath(root, temporary, O_WRONLY | O_CREAT | O_EXCL, 0666));
  BLOBD_RETURN_IF_ERROR(WriteBlob(daemon, blob.hash(), blob.size(), file.get(), written));
  if (fsync(file.get()) != 0) return FileError(errno, "sync " + name);
  if (renameat(root, temporary.c_str(), root, name.c_str()) != 0)
    return FileError(errno, "rename to " + name);
  return true;
}

struct Summary {
  uint64_t written = 0;
  uint64_t written_bytes = 0;
  uint64_t existed = 0;
};

Status WriteAllBlobs(Context& context, const Plan& plan, int root, Summary* summary) {
  ProgressLine line(!context.style.quiet && !context.style.is_json());
  uint64_t done = 0;
  for (const v1::Blob& blob : plan.blobs) {
    if (context.daemon->interrupted()) return Cancelled("interrupted");
    BLOBD_ASSIGN_OR_RETURN(const bool is_new,
                           WriteStoreFile(*context.daemon, root, blob, [&](uint64_t bytes) {
                             done += bytes;
                             line.Show("exporting", done, plan.bytes);
                           }));
    if (!is_new) done += blob.size();
    ++(is_new ? summary->written : summary->existed);
    if (is_new) summary->written_bytes += blob.size();
  }
  // The names too.
  return syncfs(root) == 0 ? OkStatus() : FileError(errno, "sync");
}

void PrintSummary(const Context& context, const Summary& summary, const Plan& plan) {
  if (context.style.is_json()) {
    google::protobuf::Struct json;
    auto& fields = *json.mutable_fields();
    // 64-bit numbers are strings, as everywhere in protobuf's JSON.
    fields["written"].set_string_value(std::to_string(summary.written));
    fields["writtenBytes"].set_string_value(std::to_string(summary.written_bytes));
    fields["existed"].set_string_value(std::to_string(summary.existed));
    fields["privateLeftOut"].set_string_value(std::to_string(plan.private_left_out));
    PrintJson(context.style, json);
  } else if (!context.style.quiet) {
    const std::string left_out =
        plan.private_left_out == 0
            ? ""
            : fmt::format("; {} private ones left out (--private takes them along)",
                          plan.private_left_out);
    Say(context.style, "{} written, {}; {} {} there already{}\n", Counted(summary.written, "blob"),
        FormatSize(summary.written_bytes), summary.existed, WasOrWere(summary.existed), left_out);
  }
}

}  // namespace

int RunExportStore(Context& context, const ExportStoreOptions& options) {
  const auto plan = MakePlan(context, options);
  if (!plan.ok()) return Fail(plan.status());
  const auto root = OpenTarget(options.directory);
  if (!root.ok()) return Fail(root.status());
  Summary summary;
  if (const Status status = WriteAllBlobs(context, *plan, root->get(), &summary); !status.ok())
    return Fail(Annotate(status, "broken off; repeat it to go on"));
  PrintSummary(context, summary, *plan);
  return kExitDone;
}

}  // namespace blobd::client
