// cat, export, status: what the store holds, and the daemon itself.
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <unistd.h>

#include <algorithm>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/copy_file.h"
#include "client/export.h"
#include "client/progress_line.h"
#include "client/sentence.h"
#include "client/words.h"
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

void PrintExported(const Style& style, const v1::Kind& kind, const std::string& output,
                   const Exported& exported) {
  google::protobuf::Struct json;
  auto& fields = *json.mutable_fields();
  auto& shown = *fields["kind"].mutable_struct_value()->mutable_fields();
  shown["hash"].set_string_value(kind.hash());
  shown["format"].set_string_value(v1::BlobFormat_Name(kind.format()));
  fields["output"].set_string_value(output);
  // 64-bit numbers are strings, as everywhere in protobuf's JSON.
  fields["size"].set_string_value(std::to_string(exported.size));
  fields["written"].set_string_value(std::to_string(exported.written));
  fields["existed"].set_string_value(std::to_string(exported.existed));
  PrintJson(style, json);
}

}  // namespace

int RunCat(Context& context, const std::string& hash, uint64_t offset, uint64_t length) {
  std::string resolved = hash;
  if (const Status status = ResolveTag(context, &resolved); !status.ok()) return Fail(status);
  const v1::Kind kind = KindOf(resolved);
  const bool is_collection =
      kind.format() == v1::BLOB_FORMAT_HASH_SEQ ||
      (isatty(STDOUT_FILENO) == 1 && IsKnownCollection(*context.daemon, kind.hash()));
  if (is_collection && !context.style.quiet) {
    PrintError(
        "blobctl: {} is the list of a collection, and is written as that; its files: \"blobctl "
        "export s{} -o DIR\"\n",
        kind.hash(), kind.hash());
  }
  const Status status = Cat(context, kind.hash(), offset, length);
  return status.ok() ? static_cast<int>(kExitDone) : Fail(status);
}

int RunExport(Context& context, const ExportArguments& arguments) {
  if (arguments.output == "-" && context.style.is_json()) {
    return Fail(InvalidArgument(
        "-o - writes the content to standard output, where --json writes too; use -o FILE"));
  }
  // JSON would have another name.
  if (context.style.is_json() && !IsUtf8(arguments.output)) {
    return Fail(InvalidArgument("{}: the name is not UTF-8, as JSON is; leave --json out",
                                EscapeForTerminal(arguments.output)));
  }
  std::string wanted = arguments.wanted;
  if (const Status status = ResolveTag(context, &wanted); !status.ok()) return Fail(status);
  const v1::Kind kind = KindOf(wanted);
  const bool collection = kind.format() == v1::BLOB_FORMAT_HASH_SEQ;
  const bool is_text = !context.style.quiet && !context.style.is_json() && arguments.output != "-";
  if (is_text && !collection && IsKnownCollection(*context.daemon, wanted)) {
    PrintError("blobctl: {} is the list of a collection, and is written as that; its files: s{}\n",
               wanted, wanted);
  }
  ProgressLine progress(is_text);
  const ExportOptions options{arguments.output, arguments.force};
  const auto exported = collection
                            ? ExportCollection(*context.daemon, kind.hash(), options, progress)
                            : ExportBlob(*context.daemon, kind.hash(), options, progress);
  progress.Clear();
  if (!exported.ok()) return Fail(exported.status());
  NoteExisted(context.style, *exported);
  if (context.style.is_json()) PrintExported(context.style, kind, arguments.output, *exported);
  return kExitDone;
}

int RunStatus(Context& context) {
  const Style& style = context.style;
  const auto status = context.daemon->DaemonStatus();
  if (!status.ok()) return Fail(status.status());
  if (style.is_json()) {
    PrintJson(style, *status);
    return kExitDone;
  }
  if (style.quiet) {
    PrintOut("{}\n", status->state());
    return kExitDone;
  }
  Say(style, "blobd {}, {}, up for {}\n", status->version(), status->state(),
      ShownAge(status->started_unix_ms()));
  if (status->state() == "draining") {
    SayHanging(
        style, 13,
        "  Draining   it takes nothing new and brings what runs to rest before it stops; what "
        "is queued goes on after the next start, as by \"systemctl restart blobd\"\n");
  }
  if (status->everything_paused())
    SayHanging(style, 13, "  Paused     everything; \"blobctl resume --everything\" ends it\n");
  if (!status->degraded().empty())
    SayHanging(style, 13, "  Degraded   {}\n", EscapeForTerminal(status->degraded()));
  for (const std::string& warning : status->warnings())
    SayHanging(style, 13, "  Warning    {}\n", EscapeForTerminal(warning));
  SayHanging(style, 13, "  Node       {}\n", status->node_id());
  for (const std::string& address : status->listen_addresses())
    SayHanging(style, 13, "  Listens    {} (UDP)\n", address);
  SayHanging(style, 13, "  State      {}\n", EscapeForTerminal(status->state_directory()));
  SayHanging(style, 13, "  Downloads  {}, {}, {}\n",
             Counted(status->unfinished_requests(), "request"),
             Counted(status->running_transfers(), "transfer"), FormatRate(status->download_rate()));
  const v1::UploadStatus& uploads = status->uploads();
  SayHanging(style, 13, "  Serves     {}: {}, {}, {}; {} sent since the start{}\n", status->serve(),
             Counted(uploads.nodes(), "node"), Counted(uploads.streams(), "request"),
             FormatRate(uploads.rate()), FormatSize(uploads.sent_bytes()),
             uploads.refused() == 0
                 ? ""
                 : ", " + Counted(uploads.refused(), "connection") + " of other nodes refused");
  SayHanging(style, 13, "  Store      {}, {}; {} partial, {}\n",
             Counted(status->store().complete_blobs(), "blob"),
             FormatSize(status->store().complete_bytes()), status->store().partial_blobs(),
             FormatSize(status->store().partial_bytes()));
  const v1::DiskStatus& disk = status->disk();
  SayHanging(style, 13, "  Disk       {} of {} free, of which {} are kept in reserve{}\n",
             FormatSize(disk.free_bytes()), FormatSize(disk.total_bytes()),
             FormatSize(std::min(disk.free_bytes(), disk.reserve_bytes())),
             disk.reason().empty() ? "" : "; downloads wait: " + EscapeForTerminal(disk.reason()));
  SayHanging(style, 13,
             "  Durability at most {} (or 5 s) of work is fetched again after a power loss\n",
             FormatSize(status->unsynced_bytes_bound()));
  return kExitDone;
}

}  // namespace blobd::client
