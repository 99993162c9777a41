// Of Admin, what concerns the configuration.
#include "base/error_reason.h"
#include "rpc/admin_service.h"

namespace blobd::rpc {
namespace {

constexpr size_t kMaxPrefixBytes = 512;  // the names of keys are shorter

v1::ConfigOrigin ToProto(Configuration::Origin origin) {
  switch (origin) {
    case Configuration::Origin::kDefault:
      return v1::CONFIG_ORIGIN_DEFAULT;
    case Configuration::Origin::kFile:
      return v1::CONFIG_ORIGIN_FILE;
    case Configuration::Origin::kEnvironment:
      return v1::CONFIG_ORIGIN_ENVIRONMENT;
    case Configuration::Origin::kCommandLine:
      return v1::CONFIG_ORIGIN_COMMAND_LINE;
  }
  return v1::CONFIG_ORIGIN_UNSPECIFIED;
}

v1::ReloadResult ToProto(Configuration::Result result) {
  switch (result) {
    case Configuration::Result::kApplied:
      return v1::RELOAD_RESULT_APPLIED;
    case Configuration::Result::kNeedsRestart:
      return v1::RELOAD_RESULT_NEEDS_RESTART;
    case Configuration::Result::kRefused:
      return v1::RELOAD_RESULT_REFUSED;
  }
  return v1::RELOAD_RESULT_UNSPECIFIED;
}

void Fill(Configuration::Value value, v1::ConfigValue* out) {
  out->set_key(std::move(value.key));
  out->set_value(std::move(value.value));
  out->set_default_value(std::move(value.default_value));
  out->set_origin(ToProto(value.origin));
  out->set_place(std::move(value.place));
  out->set_line(value.line);
  out->set_is_live(value.is_live);
  if (value.after_restart) out->set_after_restart(*std::move(value.after_restart));
  out->set_is_secret(value.is_secret);
}

void Fill(const Configuration::ReloadedKey& key, v1::ReloadedKey* out) {
  out->set_key(key.key);
  out->set_before(key.before);
  out->set_after(key.after);
  out->set_result(ToProto(key.result));
  out->set_reason(key.reason);
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetConfig(grpc::CallbackServerContext* call,
                                                  const v1::GetConfigRequest* request,
                                                  v1::GetConfigResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kAdminGetConfig, reactor, kListWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (request->prefix().size() > kMaxPrefixBytes) {
    return Refuse(reactor, FieldError(Reason::kTooLong, "prefix", "{} bytes; at most {} are taken",
                                      request->prefix().size(), kMaxPrefixBytes));
  }
  context_.OnControl(reactor, [this, reactor, response, prefix = request->prefix(),
                               changed_only = request->changed_only()] {
    Configuration::Listing listing = configuration_.List(prefix, changed_only);
    for (Configuration::Value& value : listing.values)
      Fill(std::move(value), response->add_values());
    for (std::string& file : listing.files) response->add_files(std::move(file));
    reactor->End(OkStatus());
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::Reload(grpc::CallbackServerContext* call,
                                               const v1::ReloadRequest* request,
                                               v1::ReloadResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminReload, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response, dry_run = request->dry_run()] {
    configuration_.Reload(dry_run,
                          [reactor, response](const StatusOr<Configuration::Report>& report) {
                            if (report.ok()) {
                              for (const Configuration::ReloadedKey& key : report->keys)
                                Fill(key, response->add_keys());
                              for (const std::string& file : report->files)
                                response->add_files(file);
                              for (const std::string& warning : report->warnings)
                                response->add_warnings(warning);
                            }
                            reactor->End(report.status());
                          });
  });
  return reactor;
}

}  // namespace blobd::rpc
