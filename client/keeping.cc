// gc, rm, verify: what stays in the store, and whether it is well.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string_view>

#include "base/time.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/progress_line.h"
#include "client/sentence.h"
#include "client/table.h"
#include "client/words.h"

namespace blobd::client {
namespace {

// Listed of those that go, and of those that stay.
constexpr uint32_t kListed = 10'000;

}  // namespace

std::string KeptReason(const v1::Keeping& keeping) {
  std::string text;
  switch (static_cast<int>(keeping.because())) {
    case v1::KEPT_BECAUSE_WANTED:
      text = "an unfinished intent wants it";
      break;
    case v1::KEPT_BECAUSE_TAGGED:
      text = fmt::format("tag {}", keeping.tag());
      break;
    case v1::KEPT_BECAUSE_LEASED:
      text = "added lately";
      break;
    case v1::KEPT_BECAUSE_FINISHED:
      text = "got lately";
      break;
    default:
      return "nothing keeps it";
  }
  if (keeping.through_collection()) text += ", in a collection";
  if (keeping.until_unix_ms() != 0) {
    const Duration left = WallTime{keeping.until_unix_ms()} - SystemClock().WallNow();
    text += ", for " + FormatDuration(std::max(Duration::zero(), left));
  }
  return text;
}

std::string HowToFree(const v1::Keeping& keeping) {
  switch (static_cast<int>(keeping.because())) {
    case v1::KEPT_BECAUSE_WANTED:
      return "wanted: \"blobctl intents\" lists who wants it or a collection with it, \"blobctl "
             "cancel INTENT\" ends one of yours";
    case v1::KEPT_BECAUSE_TAGGED:
      return keeping.tag().empty()
                 ? "tagged privately: the owner of the tag, or root, can take it away"
                 : "tagged: \"blobctl tag -d NAME\" takes the tag away";
    case v1::KEPT_BECAUSE_LEASED:
      return "added lately: that passes (store.lease_seconds); who added it need not wait: "
             "\"blobctl rm HASH\"";
    case v1::KEPT_BECAUSE_FINISHED:
      return "got lately: that passes (store.lease_seconds); root need not wait: "
             "\"blobctl rm HASH\"";
    default:
      return "";
  }
}

namespace {

// What makes an end of each reason that there is, once.
void SayHowToFree(const Style& style,
                  const google::protobuf::RepeatedPtrField<v1::Keeping>& keepings) {
  std::set<std::string> ways;
  for (const v1::Keeping& keeping : keepings) ways.insert(HowToFree(keeping));
  for (const std::string& way : ways)
    if (!way.empty()) SayHanging(style, 2, "{}\n", way);
}

void AddRows(const Style& style, const google::protobuf::RepeatedPtrField<v1::Keeping>& blobs,
             const std::string& verdict, Table* table) {
  for (const v1::Keeping& blob : blobs) {
    table->Add({ShownHash(style, blob.hash()), verdict, FormatSize(blob.bytes()),
                ShownAge(blob.last_use_unix_ms()), KeptReason(blob)});
  }
}

void PrintGc(const Style& style, const GcOptions& options, const v1::CollectGarbageResponse& all) {
  if (style.is_json()) return PrintJson(style, all);
  if (style.quiet) {
    for (const v1::Keeping& blob : all.removed()) PrintOut("{}\n", blob.hash());
    return;
  }
  if (options.dry_run) {
    Table table({"HASH", "", {"ON DISK", 0, 1}, {"UNUSED FOR", 0, 2}, {"WHY", 16, 0}});
    AddRows(style, all.removed(), "goes", &table);
    AddRows(style, all.kept(), "stays", &table);
    table.Print(style, "no blobs");
    SayHowToFree(style, all.kept());
  }
  const bool hint = !options.dry_run && all.kept_blobs() > 0;
  Say(style, "{} {}, {}; {} {}, {}{}\n", options.dry_run ? "would remove" : "removed",
      Counted(all.removed_blobs(), "blob"), FormatSize(all.removed_bytes()), all.kept_blobs(),
      all.kept_blobs() == 1 ? "stays" : "stay", FormatSize(all.kept_bytes()),
      hint ? " (why: blobctl gc --dry-run)" : "");
}

}  // namespace

int RunGc(Context& context, const GcOptions& options) {
  v1::CollectGarbageRequest request;
  request.set_dry_run(options.dry_run);
  if (options.to_bytes) request.set_to_bytes(*options.to_bytes);
  const bool listed = options.dry_run || context.style.quiet || context.style.is_json();
  request.set_max_listed(listed ? kListed : 0);
  v1::CollectGarbageResponse all;
  ProgressLine progress(!context.style.quiet && !context.style.is_json());
  const Status status =
      context.daemon->CollectGarbage(request, [&](const v1::CollectGarbageResponse& message) {
        // Lists come in messages of their own, behind the last counts.
        if (message.seen_blobs() != 0 || message.finished()) {
          v1::CollectGarbageResponse counts = message;
          counts.mutable_removed()->Swap(all.mutable_removed());
          counts.mutable_kept()->Swap(all.mutable_kept());
          all = std::move(counts);
          progress.Show("collecting", all.removed_bytes(), 0);
        }
        all.mutable_removed()->MergeFrom(message.removed());
        all.mutable_kept()->MergeFrom(message.kept());
      });
  progress.Clear();
  if (status.ok() || all.removed_blobs() != 0) PrintGc(context.style, options, all);
  return status.ok() ? static_cast<int>(kExitDone) : Fail(status);
}

int RunRemove(Context& context, const std::vector<std::string>& wanted, bool force) {
  v1::RemoveRequest request;
  request.set_force(force);
  std::set<std::string> lists;
  for (const std::string& each : wanted) {
    std::string name = each;
    if (const Status status = ResolveTag(context, &name); !status.ok()) return Fail(status);
    const v1::Kind kind = KindOf(name);
    if (kind.format() == v1::BLOB_FORMAT_HASH_SEQ) lists.insert(kind.hash());
    request.add_hashes(kind.hash());
  }
  const auto response = context.daemon->Remove(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else {
    for (const std::string& hash : response->removed()) {
      if (context.style.quiet) {
        PrintOut("{}\n", hash);
        continue;
      }
      Say(context.style, "removed {}{}\n", hash,
          lists.contains(hash) ? ", the list of a collection; its files stay until gc" : "");
    }
  }
  FlushOutput();
  for (const std::string& hash : response->absent()) {
    PrintError("blobctl: nothing of {} is here\n", hash);
  }
  return response->absent().empty() ? kExitDone : kExitNotFound;
}

namespace {

constexpr size_t kHashBytes = 32;
// Of more members of a collection is not asked whether they are here.
constexpr size_t kMostAsked = 10'000;

// What a collection lacks.
struct Missing {
  size_t missing = 0;
  size_t asked = 0;
  size_t members = 0;
};

// Of a list that is not here as a whole nothing is known but that: the finding says so.
StatusOr<Missing> MissingOf(DaemonClient& daemon, const std::string& hash) {
  BLOBD_ASSIGN_OR_RETURN(const v1::Blob list, daemon.Stat(hash));
  Missing found;
  if (list.state() != v1::BLOB_STATE_COMPLETE) return found;
  std::string bytes;
  v1::ReadRequest request;
  request.set_hash(hash);
  request.set_length(std::min<uint64_t>(list.size(), kMostAsked * kHashBytes));
  if (request.length() == 0) return found;
  BLOBD_RETURN_IF_ERROR(daemon.Read(request, [&](std::string_view data) {
    bytes += data;
    return OkStatus();
  }));
  found.members = list.size() / kHashBytes;
  std::set<std::string> members;
  for (size_t at = 0; at + kHashBytes <= bytes.size(); at += kHashBytes) {
    std::string hex;
    for (const char byte : bytes.substr(at, kHashBytes))
      hex += fmt::format("{:02x}", static_cast<uint8_t>(byte));
    ++found.asked;
    if (!members.insert(hex).second) continue;
    BLOBD_ASSIGN_OR_RETURN(const v1::Blob member, daemon.Stat(hex));
    if (member.state() != v1::BLOB_STATE_COMPLETE) ++found.missing;
  }
  return found;
}

// Says what is missing of the collections that were named. True: something is.
StatusOr<bool> SayMissing(Context& context, const std::set<std::string>& lists) {
  bool any = false;
  for (const std::string& hash : lists) {
    BLOBD_ASSIGN_OR_RETURN(const Missing found, MissingOf(*context.daemon, hash));
    if (found.missing == 0) continue;
    any = true;
    if (context.style.quiet) continue;
    PrintError(
        "blobctl: s{}: {} of its {}{} not here, or not whole; \"blobctl get s{}\" gets what is "
        "missing\n",
        hash, found.missing, Counted(found.asked, "blob"),
        found.asked < found.members ? " that were looked at are"
        : found.missing == 1        ? " is"
                                    : " are",
        hash);
  }
  return any;
}

}  // namespace

int RunVerify(Context& context, const std::vector<std::string>& wanted, bool all) {
  if (wanted.empty() != all) {
    return Fail(InvalidArgument("say which blobs to verify, or --all of them"));
  }
  v1::VerifyRequest request;
  std::set<std::string> lists;
  for (const std::string& each : wanted) {
    std::string name = each;
    if (const Status status = ResolveTag(context, &name); !status.ok()) return Fail(status);
    const v1::Kind kind = KindOf(name);
    request.add_hashes(kind.hash());
    if (kind.format() == v1::BLOB_FORMAT_HASH_SEQ) lists.insert(kind.hash());
    if (kind.format() == v1::BLOB_FORMAT_HASH_SEQ && !context.style.quiet) {
      PrintError("blobctl: of {} only the list is hashed; --all hashes its files, too\n",
                 EscapeForTerminal(each));
    }
  }
  const bool is_text = !context.style.quiet && !context.style.is_json();
  ProgressLine progress(is_text);
  v1::VerifyResponse whole;
  bool mismatch = false;
  const Status status = context.daemon->Verify(request, [&](const v1::VerifyResponse& message) {
    progress.Show("verifying", message.bytes(), message.total_bytes());
    v1::VerifyResponse counts = message;
    counts.mutable_findings()->Swap(whole.mutable_findings());
    whole = std::move(counts);
    whole.mutable_findings()->MergeFrom(message.findings());
    for (const v1::VerifyFinding& finding : message.findings()) {
      mismatch |= finding.result() == v1::VERIFY_RESULT_ROTTEN;
      if (is_text) progress.Clear();
      if (is_text)
        Say(context.style, "{}: {}\n", finding.hash(), EscapeForTerminal(finding.reason()));
      if (context.style.quiet) PrintOut("{}\n", finding.hash());
    }
  });
  progress.Clear();
  if (context.style.is_json()) PrintJson(context.style, whole);
  if (is_text && status.ok()) {
    Say(context.style, "{}, {} read; {} not well\n", Counted(whole.blobs(), "blob"),
        FormatSize(whole.bytes()), whole.failed_blobs());
  }
  FlushOutput();
  if (!status.ok()) return Fail(status);
  const auto missing = SayMissing(context, lists);
  // Worse than what could not be looked up.
  if (mismatch) return kExitMismatch;
  if (!missing.ok()) return Fail(missing.status());
  if (whole.failed_blobs() == 0) return *missing ? kExitNotFound : kExitDone;
  const bool unreadable = std::any_of(
      whole.findings().begin(), whole.findings().end(),
      [](const auto& finding) { return finding.result() == v1::VERIFY_RESULT_UNREADABLE; });
  return unreadable ? kExitFailed : kExitNotFound;
}

}  // namespace blobd::client
