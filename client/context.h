// What every command of blobctl has at hand, and the commands themselves, one function each. They
// return an exit code.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/daemon_client.h"
#include "client/exit_code.h"
#include "client/interrupt.h"
#include "client/output.h"

namespace blobd::client {

struct Context {
  std::string socket;
  Style style;
  Interrupt& interrupt;
  std::unique_ptr<DaemonClient> daemon;  // connected before a command runs
  bool is_offline = false;               // `daemon` is what a stopped one left behind
  // The terminal shows a screen, on which nobody else may write.
  std::atomic<bool> has_screen = false;
};

// Prints the error, one line with what to do next, and gives its exit code.
int Fail(const Status& status);

struct QueueOptions {
  std::vector<std::string> wanted;     // tickets and hashes
  std::vector<std::string> providers;  // NODE_ID, NODE_ID@IP:PORT[,IP:PORT...] or a URL
  std::string priority = "normal";
  std::string label;
  std::string key;
  std::optional<int64_t> patience_ms;
  std::optional<int64_t> deadline_ms;  // from now
};
struct GetOptions {
  QueueOptions queue;
  std::string output;  // empty: only into the store
  bool force = false;
  bool detach = false;
  bool cancel_on_interrupt = false;
};

int RunQueue(Context& context, const QueueOptions& options);
int RunGet(Context& context, const GetOptions& options);
int RunCancel(Context& context, const std::vector<uint64_t>& ids);
struct PauseOptions {
  std::vector<uint64_t> ids;
  bool everything = false;
};
int RunPause(Context& context, const PauseOptions& options);
int RunResume(Context& context, const PauseOptions& options);
int RunNodesHave(Context& context, const std::string& hash,
                 const std::vector<std::string>& providers);
int RunWatch(Context& context, uint64_t id);

struct ListOptions {
  bool all = false;  // ended ones too
  std::string hash;
  std::string label;
  std::string provider;
  std::vector<std::string> states;  // as states.h has them; empty: all
  bool newest_first = false;        // or, of blobs, the other way round
  bool banned = false;              // only banned ones
  std::string sort;                 // of blobs: "hash" or "size"; empty: as the daemon lists them
  uint32_t limit = 0;               // 0: everything
};
int RunIntents(Context& context, const ListOptions& options);
int RunRequests(Context& context, const ListOptions& options);
int RunTransfers(Context& context, const ListOptions& options);
// Until it is interrupted.
int RunWatchTransfers(Context& context, const ListOptions& options);
int RunTransfer(Context& context, uint64_t id);
int RunCancelTransfers(Context& context, const std::vector<uint64_t>& ids);
int RunBlobs(Context& context, const ListOptions& options);
int RunStatus(Context& context);

struct TopOptions {
  bool once = false;
  uint64_t count = 0;  // documents of JSON; 0: until interrupted
};
int RunTop(Context& context, const TopOptions& options);
// Looks for the daemon itself, again and again. `port` 0: any that is free.
int RunDashboard(Context& context, uint16_t port);

// The API's limit (blobs.proto, CreateCollectionRequest).
inline constexpr size_t kMaxCollectionEntries = 100'000;

struct AddOptions {
  std::vector<std::string> paths;
  bool is_private = false;
};
int RunAdd(Context& context, const AddOptions& options);
int RunCat(Context& context, const std::string& hash, uint64_t offset, uint64_t length);
struct ExportArguments {
  std::string wanted;
  std::string output;
  bool force = false;
};
int RunExport(Context& context, const ExportArguments& arguments);
struct ImportStoreOptions {
  std::string directory;
  bool is_private = false;
  bool collection = false;  // make one of everything
};
int RunImportStore(Context& context, const ImportStoreOptions& options);
struct ExportStoreOptions {
  std::string directory;
  std::vector<std::string> wanted;  // hashes, or s + hash; empty: everything
  bool with_private = false;        // of everything
};
int RunExportStore(Context& context, const ExportStoreOptions& options);

struct TicketOptions {
  std::string wanted;                  // a hash, or s + hash
  std::string format;                  // "raw", "collection", or empty: what it turns out to be
  std::vector<std::string> addresses;  // empty: the daemon's own
  bool no_addresses = false;
  bool loopback = false;
};
int RunTicket(Context& context, const TicketOptions& options);
int RunPrivate(Context& context, const std::vector<std::string>& wanted, bool is_private);

struct TagOptions {
  std::string name;
  std::string wanted;  // a hash, s + hash, a ticket or another tag
  std::string format;  // "raw", "collection", or empty: what it turns out to be
  bool is_private = false;
  bool only_new = false;
  std::string expected;  // empty: whatever it names now
  bool remove = false;
};
int RunTag(Context& context, const TagOptions& options);
int RunTags(Context& context, const std::string& prefix, const ListOptions& options);

struct GcOptions {
  bool dry_run = false;
  std::optional<uint64_t> to_bytes;
};
int RunGc(Context& context, const GcOptions& options);
int RunRemove(Context& context, const std::vector<std::string>& wanted, bool force);
int RunWhy(Context& context, const std::string& wanted);
int RunVerify(Context& context, const std::vector<std::string>& wanted, bool all);

int RunRemotes(Context& context, const ListOptions& options);
// Of one node, or of all if `node` is empty; until it is interrupted.
int RunWatchRemotes(Context& context, const std::string& node);
int RunRemote(Context& context, const std::string& node);
int RunAddRemote(Context& context, const std::string& node,
                 const std::vector<std::string>& addresses);
int RunForgetRemote(Context& context, const std::string& node);
int RunDisconnectRemote(Context& context, const std::string& node);

struct BanOptions {
  std::string provider;
  int64_t length_ms = 0;  // 0: as if it had sent something false
  std::string reason;
};
int RunBan(Context& context, const BanOptions& options);
int RunUnban(Context& context, const std::string& provider);
int RunBans(Context& context, const ListOptions& options);

struct ImportOptions {
  std::string url;
  bool is_private = false;
  uint64_t max_bytes = 0;  // 0: the largest blob
};
int RunImport(Context& context, const ImportOptions& options);

struct OutboardOptions {
  std::vector<std::string> files;
  std::string output;  // empty: beside the file
  bool force = false;
};
// Needs no daemon.
int RunOutboard(Context& context, const OutboardOptions& options);

// Looks for the daemon itself.
int RunDoctor(Context& context);

// These need no daemon either. `shell`: bash, zsh or fish.
int RunVersion(Context& context);
int RunCompletion(Context& context, const std::string& shell);

struct LimitsOptions {
  std::vector<std::string> changes;  // NAME=VALUE
  std::vector<std::string> reset;
  bool persist = false;
};
int RunLimits(Context& context, const LimitsOptions& options);
int RunDrain(Context& context);

struct ConfigOptions {
  std::string prefix;  // empty: all
  bool changed = false;
  bool dry_run = false;
};
int RunConfigDump(Context& context, const ConfigOptions& options);
int RunConfigDiff(Context& context);
int RunReload(Context& context, const ConfigOptions& options);

int RunBackup(Context& context, const std::string& file);
int RunRecoverRegistry(Context& context);

// Why a blob stays, in words.
std::string KeptReason(const v1::Keeping& keeping);
// What makes an end of that, as a sentence; empty: nothing keeps it.
std::string HowToFree(const v1::Keeping& keeping);
// "; \"blobctl unban ...\" ...": what ends the ban of a provider, as it is told in answers.
std::string HowToUnban(const std::string& provider);

// A hash, or s + hash for a collection; anything else is taken for a hash, which the daemon
// refuses.
v1::Kind KindOf(const std::string& wanted);
std::string NameOf(const v1::Kind& kind);
// Whether it is written as a hash is, or as s + hash. A tag can have no such name.
bool IsHashSyntax(const std::string& text);
// Puts what a tag names in the place of its name: a hash, or s + hash. What is written as a hash is
// left as it is. kNotFound: there is no such tag.
Status ResolveTag(Context& context, std::string* wanted);
// The same for what may also be a ticket, which is left as it is, even one that was cut.
Status ResolveWanted(Context& context, std::string* wanted);
// As ResolveTag, and leaves the hash alone.
Status ResolveHash(Context& context, std::string* hash);
// Whether a bare hash names a collection: the daemon finds its names under it.
bool IsKnownCollection(DaemonClient& daemon, const std::string& hash);
// The request for one thing that a person named.
StatusOr<v1::QueueItem> ItemOf(const std::string& wanted, const QueueOptions& options);
StatusOr<v1::Provider> ProviderOf(const std::string& text);

}  // namespace blobd::client
