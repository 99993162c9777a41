#include "rpc/authority.h"

#include <array>

#include "base/check.h"
#include "base/error_reason.h"

namespace blobd::rpc {

std::span<const AuthorityRule> AuthorityTable() {
  using enum Right;
  static constexpr auto kTable = std::to_array<AuthorityRule>({
      {Method::kDownloadsQueue, "Downloads.Queue", "", kMember},
      {Method::kDownloadsCancel, "Downloads.Cancel", "", kOwner},
      {Method::kDownloadsPause, "Downloads.Pause", "intents", kOwner},
      {Method::kDownloadsPauseEverything, "Downloads.Pause", "everything", kAdmin},
      {Method::kDownloadsResume, "Downloads.Resume", "intents", kOwner},
      {Method::kDownloadsResumeEverything, "Downloads.Resume", "everything", kAdmin},
      {Method::kDownloadsWhy, "Downloads.Why", "", kMember},
      {Method::kDownloadsNodesHave, "Downloads.NodesHave", "", kMember},
      {Method::kDownloadsGetIntent, "Downloads.GetIntent", "", kMember},
      {Method::kDownloadsListIntents, "Downloads.ListIntents", "", kMember},
      {Method::kDownloadsWatchIntent, "Downloads.WatchIntent", "", kMember},
      {Method::kDownloadsListRequests, "Downloads.ListRequests", "", kMember},
      {Method::kDownloadsListTransfers, "Downloads.ListTransfers", "", kMember},
      {Method::kDownloadsGetTransfer, "Downloads.GetTransfer", "", kMember},
      {Method::kDownloadsWatchTransfers, "Downloads.WatchTransfers", "", kMember},
      // All intents that it works for are the caller's.
      {Method::kDownloadsCancelTransfer, "Downloads.CancelTransfer", "", kOwner},
      {Method::kBlobsAdd, "Blobs.Add", "", kMember},
      {Method::kBlobsAddSmall, "Blobs.AddSmall", "", kMember},
      {Method::kBlobsCreateCollection, "Blobs.CreateCollection", "", kMember},
      {Method::kBlobsGetCollection, "Blobs.GetCollection", "", kMember},
      {Method::kBlobsRead, "Blobs.Read", "", kMember},
      {Method::kBlobsStat, "Blobs.Stat", "", kMember},
      {Method::kBlobsList, "Blobs.List", "", kMember},
      {Method::kBlobsOpen, "Blobs.Open", "", kMember},
      {Method::kBlobsImport, "Blobs.Import", "", kMember},
      {Method::kBlobsImportUrl, "Blobs.ImportUrl", "", kAdmin},
      {Method::kBlobsSetPrivate, "Blobs.SetPrivate", "making private", kMember},
      {Method::kBlobsPublish, "Blobs.SetPrivate", "serving again", kAdmin},
      {Method::kBlobsWhyKept, "Blobs.WhyKept", "", kMember},
      // What others keep stays; `force` is for administrators.
      {Method::kBlobsRemove, "Blobs.Remove", "", kOwner},
      {Method::kBlobsPlanGarbage, "Blobs.CollectGarbage", "dry run", kMember},
      {Method::kBlobsCollectGarbage, "Blobs.CollectGarbage", "", kAdmin},
      {Method::kBlobsVerify, "Blobs.Verify", "", kMember},
      {Method::kTagsSet, "Tags.Set", "", kOwner},
      {Method::kTagsDelete, "Tags.Delete", "", kOwner},
      {Method::kTagsList, "Tags.List", "", kMember},
      {Method::kRemotesList, "Remotes.List", "", kMember},
      {Method::kRemotesGet, "Remotes.Get", "", kMember},
      {Method::kRemotesWatch, "Remotes.Watch", "", kMember},
      {Method::kRemotesAddAddresses, "Remotes.AddAddresses", "", kAdmin},
      {Method::kRemotesForget, "Remotes.Forget", "", kAdmin},
      {Method::kRemotesDisconnect, "Remotes.Disconnect", "", kAdmin},
      {Method::kRemotesBan, "Remotes.Ban", "", kAdmin},
      {Method::kRemotesUnban, "Remotes.Unban", "", kAdmin},
      {Method::kRemotesListBans, "Remotes.ListBans", "", kMember},
      {Method::kAdminStatus, "Admin.Status", "", kMember},
      {Method::kAdminGetLimits, "Admin.GetLimits", "", kMember},
      {Method::kAdminSetLimits, "Admin.SetLimits", "", kAdmin},
      {Method::kAdminGetConfig, "Admin.GetConfig", "", kMember},
      {Method::kAdminReload, "Admin.Reload", "", kAdmin},
      {Method::kAdminDrain, "Admin.Drain", "", kAdmin},
      {Method::kAdminCreateTicket, "Admin.CreateTicket", "", kMember},
      {Method::kAdminParseTicket, "Admin.ParseTicket", "", kMember},
      {Method::kAdminBackup, "Admin.Backup", "", kAdmin},
      {Method::kAdminRecoverRegistry, "Admin.RecoverRegistry", "", kAdmin},
      {Method::kHealthCheck, "Health.Check", "", kMember},
      {Method::kHealthWatch, "Health.Watch", "", kMember},
      {Method::kReflectionInfo, "ServerReflection.ServerReflectionInfo", "", kMember},
  });
  return kTable;
}

Status CheckAuthority(Method method, const engine::Caller& caller) {
  const AuthorityRule& rule = AuthorityTable()[static_cast<size_t>(method)];
  BLOBD_CHECK(rule.method == method);
  if (rule.right != Right::kAdmin || caller.is_admin()) return OkStatus();
  return ErrorFor(Reason::kNeedsAdmin,
                  "only root, members of the admin group (admin_group in the configuration), and "
                  "whoever runs the daemon may do this; you are uid {}",
                  caller.uid);
}

}  // namespace blobd::rpc
