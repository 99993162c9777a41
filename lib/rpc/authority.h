// Who may call what: one table, in the order of the services. Members are those who may connect to
// the socket; administrators may do everything.
//
// Thread: any. Errors: kPermissionDenied.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "engine/caller.h"

namespace blobd::rpc {

enum class Right : uint8_t {
  kMember,  // every member
  kOwner,   // members, for what is theirs; whose it is, is checked where that is known (engine)
  kAdmin,
};

enum class Method : uint8_t {
  kDownloadsQueue,
  kDownloadsCancel,
  kDownloadsPause,
  kDownloadsPauseEverything,
  kDownloadsResume,
  kDownloadsResumeEverything,
  kDownloadsWhy,
  kDownloadsNodesHave,
  kDownloadsGetIntent,
  kDownloadsListIntents,
  kDownloadsWatchIntent,
  kDownloadsListRequests,
  kDownloadsListTransfers,
  kDownloadsGetTransfer,
  kDownloadsWatchTransfers,
  kDownloadsCancelTransfer,
  kBlobsAdd,
  kBlobsAddSmall,
  kBlobsCreateCollection,
  kBlobsGetCollection,
  kBlobsRead,
  kBlobsStat,
  kBlobsList,
  kBlobsOpen,
  kBlobsImport,
  kBlobsImportUrl,
  kBlobsSetPrivate,
  kBlobsPublish,
  kBlobsWhyKept,
  kBlobsRemove,
  kBlobsPlanGarbage,
  kBlobsCollectGarbage,
  kBlobsVerify,
  kTagsSet,
  kTagsDelete,
  kTagsList,
  kRemotesList,
  kRemotesGet,
  kRemotesWatch,
  kRemotesAddAddresses,
  kRemotesForget,
  kRemotesDisconnect,
  kRemotesBan,
  kRemotesUnban,
  kRemotesListBans,
  kAdminStatus,
  kAdminGetLimits,
  kAdminSetLimits,
  kAdminGetConfig,
  kAdminReload,
  kAdminDrain,
  kAdminCreateTicket,
  kAdminParseTicket,
  kAdminBackup,
  kAdminRecoverRegistry,
  kHealthCheck,
  kHealthWatch,
  kReflectionInfo,
};

struct AuthorityRule {
  Method method;
  std::string_view name;     // "Downloads.Queue"
  std::string_view of_what;  // where a method has several rules; else empty
  Right right;
};

// By method, in the order of the enumeration.
std::span<const AuthorityRule> AuthorityTable();

// Whether the caller may make the call at all.
Status CheckAuthority(Method method, const engine::Caller& caller);

}  // namespace blobd::rpc
