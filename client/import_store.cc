// import-store: every complete blob of another blobd's directory into this one. What a file really
// is, its hash says, and that is computed by the daemon of what it took in.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "base/mutex.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/add_file.h"
#include "client/context.h"
#include "client/crowded.h"
#include "client/parallel.h"
#include "client/sentence.h"
#include "client/store_files.h"
#include "client/words.h"

namespace blobd::client {
namespace {

enum class Fate { kImported, kExisted, kDamaged, kUnreadable };

struct Imported {
  Fate fate = Fate::kUnreadable;
  uint64_t size = 0;
  std::string true_hash;  // of a damaged one
  std::string reason;     // of an unreadable one
};

class StoreImporter {
 public:
  StoreImporter(Context& context, const ImportStoreOptions& options, const StoreFiles& files,
                SharedProgress& progress)
      : daemon_(*context.daemon),
        options_(options),
        files_(files),
        adder_(*context.daemon, context.interrupt.descriptor(), options.is_private, progress) {}

  // An error is the daemon's: what follows would not be taken in either.
  Status Import(size_t i, Imported* out) {
    const std::string& hash = files_.hashes[i];
    // Not read again, so that an import that was broken off goes on where it was.
    if (!options_.is_private) {
      BLOBD_ASSIGN_OR_RETURN(const v1::Blob blob, daemon_.Stat(hash));
      if (blob.state() == v1::BLOB_STATE_COMPLETE) {
        *out = {Fate::kExisted, blob.size(), "", ""};
        return OkStatus();
      }
    }
    const std::string name = StoreFileName(hash);
    const auto file = OpenBeneath(files_.root.get(), name, O_RDONLY | O_NONBLOCK, 0);
    struct stat info {};
    if (!file.ok() || fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      out->reason = file.ok() ? name + " is no regular file" : Message(file.status());
      return OkStatus();
    }
    BLOBD_ASSIGN_OR_RETURN(const v1::AddResponse added, adder_.Add(file->get(), name));
    out->size = added.size();
    out->fate = added.hash() != hash ? Fate::kDamaged
                : added.existed()    ? Fate::kExisted
                                     : Fate::kImported;
    if (out->fate == Fate::kDamaged) out->true_hash = added.hash();
    return OkStatus();
  }

 private:
  DaemonClient& daemon_;
  const ImportStoreOptions& options_;
  const StoreFiles& files_;
  FileAdder adder_;
};

struct Summary {
  uint64_t imported = 0;
  uint64_t imported_bytes = 0;
  uint64_t existed = 0;
  uint64_t damaged = 0;
  uint64_t unreadable = 0;
  std::string collection;  // s + hash; empty: none was asked for
};

Summary Sum(const std::vector<Imported>& all) {
  Summary summary;
  for (const Imported& one : all) {
    if (one.fate == Fate::kImported) summary.imported_bytes += one.size;
    summary.imported += one.fate == Fate::kImported ? 1 : 0;
    summary.existed += one.fate == Fate::kExisted ? 1 : 0;
    summary.damaged += one.fate == Fate::kDamaged ? 1 : 0;
    summary.unreadable += one.fate == Fate::kUnreadable ? 1 : 0;
  }
  return summary;
}

// Of everything that is here now and is what its name says, under its hash.
StatusOr<std::string> MakeCollection(Context& context, const ImportStoreOptions& options,
                                     const StoreFiles& files, const std::vector<Imported>& all) {
  v1::CreateCollectionRequest request;
  request.set_is_private(options.is_private);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].fate != Fate::kImported && all[i].fate != Fate::kExisted) continue;
    request.add_entries()->set_name(files.hashes[i]);
    request.mutable_entries()->rbegin()->set_hash(files.hashes[i]);
  }
  if (static_cast<size_t>(request.entries_size()) > kMaxCollectionEntries) {
    return InvalidArgument("a collection has at most {} files; import without --collection",
                           kMaxCollectionEntries);
  }
  BLOBD_ASSIGN_OR_RETURN(const v1::CreateCollectionResponse created,
                         AskUntilThereIsRoom(context.interrupt.descriptor(), [&] {
                           return context.daemon->CreateCollection(request);
                         }));
  return "s" + created.hash();
}

// What is wrong with which file, a line each.
void PrintTroubles(const StoreFiles& files, const std::vector<Imported>& all) {
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string name = StoreFileName(files.hashes[i]);
    if (all[i].fate == Fate::kDamaged) {
      PrintError("blobctl: {} is damaged: its content hashes to {}, and is in the store as that\n",
                 name, all[i].true_hash);
    } else if (all[i].fate == Fate::kUnreadable) {
      PrintError("blobctl: {} is left out: {}\n", name, all[i].reason);
    }
  }
}

void PrintJsonSummary(const Style& style, const Summary& summary, const StoreFiles& files,
                      const std::vector<Imported>& all) {
  google::protobuf::Struct json;
  auto& fields = *json.mutable_fields();
  // 64-bit numbers are strings, as everywhere in protobuf's JSON.
  fields["imported"].set_string_value(std::to_string(summary.imported));
  fields["importedBytes"].set_string_value(std::to_string(summary.imported_bytes));
  fields["existed"].set_string_value(std::to_string(summary.existed));
  auto* damaged = fields["damaged"].mutable_list_value();
  auto* unreadable = fields["unreadable"].mutable_list_value();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].fate != Fate::kDamaged && all[i].fate != Fate::kUnreadable) continue;
    const bool is_damaged = all[i].fate == Fate::kDamaged;
    auto* one = (is_damaged ? damaged : unreadable)->add_values()->mutable_struct_value();
    (*one->mutable_fields())["file"].set_string_value(StoreFileName(files.hashes[i]));
    (*one->mutable_fields())[is_damaged ? "hash" : "reason"].set_string_value(
        is_damaged ? all[i].true_hash : all[i].reason);
  }
  fields["collection"].set_string_value(summary.collection);
  PrintJson(style, json);
}

void PrintSummary(const Context& context, const Summary& summary, const StoreFiles& files,
                  const std::vector<Imported>& all) {
  if (context.style.is_json()) return PrintJsonSummary(context.style, summary, files, all);
  PrintTroubles(files, all);
  if (context.style.quiet) {
    if (!summary.collection.empty()) PrintOut("{}\n", summary.collection);
    return;
  }
  Say(context.style, "{} imported, {}; {} {} here already; {} damaged, {} not readable\n",
      Counted(summary.imported, "blob"), FormatSize(summary.imported_bytes), summary.existed,
      WasOrWere(summary.existed), summary.damaged, summary.unreadable);
  if (!summary.collection.empty()) PrintOut("{}\n", summary.collection);
}

uint64_t BytesOf(const StoreFiles& files) {
  uint64_t bytes = 0;
  for (const std::string& hash : files.hashes) {
    struct stat info {};
    if (fstatat(files.root.get(), StoreFileName(hash).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
      bytes += static_cast<uint64_t>(info.st_size);
  }
  return bytes;
}

}  // namespace

int RunImportStore(Context& context, const ImportStoreOptions& options) {
  const auto files = FindStoreFiles(options.directory);
  if (!files.ok()) return Fail(files.status());
  if (files->hashes.empty()) {
    return Fail(
        NotFound("no blobs in {}: files named HH/HASH.data are looked for, in it or in its "
                 "blobs/; blobctl export-store makes such a directory",
                 EscapeForTerminal(options.directory)));
  }
  std::vector<Imported> all(files->hashes.size());
  Status status;
  {
    ProgressLine line(!context.style.quiet && !context.style.is_json());
    SharedProgress progress(line, "importing", BytesOf(*files));
    StoreImporter importer(context, options, *files, progress);
    status = ForEach(all.size(), FileAdder::kFilesAtOnce,
                     [&](size_t i) { return importer.Import(i, &all[i]); });
  }
  if (!status.ok()) return Fail(Annotate(status, "broken off; repeat it to go on"));
  Summary summary = Sum(all);
  if (options.collection) {
    auto made = MakeCollection(context, options, *files, all);
    if (!made.ok()) return Fail(made.status());
    summary.collection = *std::move(made);
  }
  PrintSummary(context, summary, *files, all);
  return summary.damaged > 0 ? kExitMismatch : summary.unreadable > 0 ? kExitFailed : kExitDone;
}

}  // namespace blobd::client
