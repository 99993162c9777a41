// cat, export, status: what the store holds, and the daemon itself.
#include <fmt/format.h>
#include <unistd.h>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/copy_file.h"
#include "client/export.h"
#include "client/progress_line.h"
#include "client/worth.h"

namespace blobd::client {
namespace {

// The bytes to standard output. A blob that is not complete, and whatever else goes wrong, is the
// stream's to tell.
Status Cat(Context& context, const std::string& hash, uint64_t offset, uint64_t length) {
  DaemonClient& daemon = *context.daemon;
  const auto interrupted = [&] {
    return daemon.interrupted() ? Cancelled("interrupted") : OkStatus();
  };
  const auto blob = daemon.OpenBlob(hash);
  if (blob.ok() && offset <= blob->size() && length <= blob->size() - offset) {
    return CopyOut(blob->descriptor(), offset, length == 0 ? blob->size() - offset : length,
                   STDOUT_FILENO, [&](uint64_t) { return interrupted(); });
  }
  v1::ReadRequest request;
  request.set_hash(hash);
  request.set_offset(offset);
  request.set_length(length);
  return daemon.Read(request, [&](std::string_view data) {
    BLOBD_RETURN_IF_ERROR(interrupted());
    return WriteAll(STDOUT_FILENO, data);
  });
}

}  // namespace

int RunCat(Context& context, const std::string& hash, uint64_t offset, uint64_t length) {
  std::string resolved = hash;
  Status status = ResolveHash(context, &resolved);
  if (status.ok()) status = Cat(context, resolved, offset, length);
  return status.ok() ? static_cast<int>(kExitDone) : Fail(status);
}

int RunExport(Context& context, const ExportArguments& arguments) {
  std::string wanted = arguments.wanted;
  if (const Status status = ResolveTag(context, &wanted); !status.ok()) return Fail(status);
  ProgressLine progress(!context.style.quiet && arguments.output != "-");
  const bool collection = wanted.size() == 65 && wanted.front() == 's';
  const bool is_text = !context.style.quiet && !context.style.is_json() && arguments.output != "-";
  if (is_text && !collection && IsKnownCollection(*context.daemon, wanted)) {
    PrintError("blobctl: {} is the list of a collection, and is written as that; its files: s{}\n",
               wanted, wanted);
  }
  const ExportOptions options{arguments.output, arguments.force};
  const Status status = collection
                            ? ExportCollection(*context.daemon, wanted.substr(1), options, progress)
                            : ExportBlob(*context.daemon, wanted, options, progress);
  progress.Clear();
  return status.ok() ? static_cast<int>(kExitDone) : Fail(status);
}

int RunStatus(Context& context) {
  const auto status = context.daemon->DaemonStatus();
  if (!status.ok()) return Fail(status.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *status);
    return kExitDone;
  }
  if (context.style.quiet) {
    PrintOut("{}\n", status->state());
    return kExitDone;
  }
  PrintOut("blobd {}, {} for {}\n", status->version(), status->state(),
           ShownAge(status->started_unix_ms()));
  if (status->everything_paused())
    PrintOut("  Paused     everything; \"blobctl resume --everything\" ends it\n");
  if (!status->degraded().empty())
    PrintOut("  Degraded   {}\n", EscapeForTerminal(status->degraded()));
  for (const std::string& warning : status->warnings())
    PrintOut("  Warning    {}\n", EscapeForTerminal(warning));
  PrintOut("  Node       {}\n", status->node_id());
  for (const std::string& address : status->listen_addresses())
    PrintOut("  Listens    {} (UDP)\n", address);
  PrintOut("  State      {}\n", EscapeForTerminal(status->state_directory()));
  PrintOut("  Downloads  {} requests, {} transfers, {}\n", status->unfinished_requests(),
           status->running_transfers(), FormatRate(status->download_rate()));
  const v1::UploadStatus& uploads = status->uploads();
  PrintOut("  Serves     {}: {} nodes, {} requests, {}; {} sent since the start{}\n",
           status->serve(), uploads.nodes(), uploads.streams(), FormatRate(uploads.rate()),
           FormatSize(uploads.sent_bytes()),
           uploads.refused() == 0
               ? ""
               : fmt::format(", {} connections of other nodes refused", uploads.refused()));
  PrintOut("  Store      {} blobs, {}; {} partial, {}\n", status->store().complete_blobs(),
           FormatSize(status->store().complete_bytes()), status->store().partial_blobs(),
           FormatSize(status->store().partial_bytes()));
  const v1::DiskStatus& disk = status->disk();
  PrintOut("  Disk       {} of {} free, {} kept in reserve{}\n", FormatSize(disk.free_bytes()),
           FormatSize(disk.total_bytes()), FormatSize(disk.reserve_bytes()),
           disk.reason().empty() ? "" : "; downloads wait: " + EscapeForTerminal(disk.reason()));
  PrintOut("  Durability at most {} (or 5 s) of work is fetched again after a power loss\n",
           FormatSize(status->unsynced_bytes_bound()));
  return kExitDone;
}

}  // namespace blobd::client
