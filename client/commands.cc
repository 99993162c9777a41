#include "client/commands.h"

#include "client/checks.h"
#include "client/states.h"

namespace blobd::client {
namespace {

using CommandMap = std::map<const CLI::App*, Command>;

void AddQueueOptions(CLI::App* command, QueueOptions* options) {
  command
      ->add_option("--from", options->providers,
                   "A provider: NODE_ID, NODE_ID@IP:PORT[,IP:PORT...] or a URL")
      ->type_name("PROVIDER")
      ->expected(1)
      ->take_all();
  command->add_option("--priority", options->priority, "background, normal or urgent")
      ->check(OneOf({"background", "normal", "urgent"}))
      ->type_name("LEVEL");
  command->add_option("--label", options->label, "For people and filters")->type_name("TEXT");
  command
      ->add_option("--key", options->key, "Makes repeating the command safe: same key, same intent")
      ->type_name("TEXT");
  command
      ->add_option("--patience", options->patience_ms,
                   "How long to wait for a provider, as in 30s or 24h")
      ->transform(Time())
      ->type_name("TIME");
  command->add_option("--deadline", options->deadline_ms, "Give up after this time, as in 10m")
      ->transform(Time())
      ->type_name("TIME");
}

void AddDownloadCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* get = app.add_subcommand(
      "get", "Get a blob or collection, show progress, write it to a file or directory");
  get->add_option("WANTED", args.get.queue.wanted, "A ticket, a hash, or s + hash for a collection")
      ->required()
      ->expected(1);
  get->add_option("-o,--output", args.get.output, "Where to write it; - for standard output")
      ->type_name("PATH");
  get->add_flag("--force", args.get.force, "Replace existing files");
  get->add_flag("--detach", args.get.detach, "Print the intent's id and return at once");
  get->add_flag("--cancel-on-interrupt", args.get.cancel_on_interrupt,
                "Ctrl-C cancels instead of detaching");
  AddQueueOptions(get, &args.get.queue);
  commands[get] = [&args](Context& context) { return RunGet(context, args.get); };

  auto* queue = app.add_subcommand("queue", "Queue downloads and return when they are durable");
  queue->add_option("WANTED", args.queue.wanted, "Tickets, hashes, or s + hash for collections")
      ->required();
  AddQueueOptions(queue, &args.queue);
  commands[queue] = [&args](Context& context) { return RunQueue(context, args.queue); };

  auto* cancel = app.add_subcommand("cancel", "Cancel intents");
  cancel->add_option("INTENT", args.ids, "Ids that queue or intents printed")
      ->required()
      ->check(Id());
  commands[cancel] = [&args](Context& context) { return RunCancel(context, args.ids); };

  auto* pause =
      app.add_subcommand("pause", "Let intents rest until they are resumed; what came stays");
  pause->add_flag("--everything", args.pause.everything, "All downloads; for root only");
  commands[pause] = [&args](Context& context) { return RunPause(context, args.pause); };
  auto* resume = app.add_subcommand("resume", "Let paused intents go on");
  resume->add_flag("--everything", args.pause.everything,
                   "End a pause of everything; for root only");
  commands[resume] = [&args](Context& context) { return RunResume(context, args.pause); };
  for (CLI::App* command : {pause, resume})
    command->add_option("INTENT", args.pause.ids, "Ids that queue or intents printed")->check(Id());

  auto* nodes_have = app.add_subcommand("nodes-have", "Say who has a hash that is wanted");
  nodes_have->add_option("HASH", args.hash, "The hash")->required();
  nodes_have->add_option("PROVIDER", args.paths, "NODE_ID, NODE_ID@IP:PORT[,IP:PORT...] or a URL")
      ->required();
  commands[nodes_have] = [&args](Context& context) {
    return RunNodesHave(context, args.hash, args.paths);
  };

  auto* watch = app.add_subcommand("watch", "Show an intent's progress until it ends");
  watch->add_option("INTENT", args.ids, "Its id")->required()->expected(1)->check(Id());
  commands[watch] = [&args](Context& context) { return RunWatch(context, args.ids.front()); };
}

void AddStateOption(CLI::App* list, ListOptions* options, const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  list->add_option("--state", options->states, "Only those that stand so: " + all)
      ->check(OneOf(words))
      ->type_name("STATE")
      ->expected(1)
      ->take_all();
}

void AddTransferCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* transfers =
      app.add_subcommand("transfers", "List running transfers")->alias("transfer-list");
  transfers->add_flag("-a,--all", args.list.all, "Recent ones that have ended, too");
  transfers->add_option("--hash", args.list.hash, "Only those for this hash")->type_name("HASH");
  auto* watch = transfers->add_flag("-w,--watch", args.watch,
                                    "Show them, and what changes, until interrupted");
  transfers
      ->add_option("--provider", args.list.provider, "Only those from this node, or from this URL")
      ->type_name("PROVIDER")
      ->excludes(watch);
  AddStateOption(transfers, &args.list, TransferStateWords());
  transfers->get_option("--state")->excludes(watch);
  transfers->add_flag("--newest-first,--reverse", args.list.newest_first, "The newest first")
      ->excludes(watch);
  transfers->add_option("-n,--limit", args.list.limit, "At most so many")
      ->type_name("N")
      ->excludes(watch);
  commands[transfers] = [&args](Context& context) {
    return args.watch ? RunWatchTransfers(context, args.list) : RunTransfers(context, args.list);
  };

  auto* transfer = app.add_subcommand("transfer", "Show one transfer, or stop it");
  transfer->require_subcommand(1);
  auto* show = transfer->add_subcommand("show", "Show a transfer, running or ended");
  show->add_option("TRANSFER", args.ids, "Its id, as transfers prints it")
      ->required()
      ->expected(1)
      ->check(Id("transfers"));
  commands[show] = [&args](Context& context) { return RunTransfer(context, args.ids.front()); };
  auto* cancel = transfer->add_subcommand(
      "cancel", "Stop transfers; their parts go to other providers, and no intent ends by it");
  cancel->add_option("TRANSFER", args.ids, "Ids that transfers printed")
      ->required()
      ->check(Id("transfers"));
  commands[cancel] = [&args](Context& context) { return RunCancelTransfers(context, args.ids); };
}

void AddListCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* intents = app.add_subcommand("intents", "List intents");
  intents->add_flag("-a,--all", args.list.all, "Ended ones too");
  intents->add_option("--hash", args.list.hash, "Only those for this hash")->type_name("HASH");
  intents->add_option("--label", args.list.label, "Only those with this label")->type_name("TEXT");
  AddStateOption(intents, &args.list, IntentStateWords());
  intents->add_flag("--newest-first,--reverse", args.list.newest_first, "The newest first");
  commands[intents] = [&args](Context& context) { return RunIntents(context, args.list); };

  auto* requests = app.add_subcommand(
      "requests", "List what satisfies the intents, each content once, and what it waits for");
  requests->add_option("--hash", args.list.hash, "Only those for this hash")->type_name("HASH");
  AddStateOption(requests, &args.list, RequestStateWords());
  commands[requests] = [&args](Context& context) { return RunRequests(context, args.list); };

  AddTransferCommands(app, args, commands);

  auto* blobs = app.add_subcommand("blobs", "List blobs in the store");
  blobs->add_option("--sort", args.list.sort, "hash, or size: the largest first")
      ->check(OneOf({"hash", "size"}))
      ->type_name("KEY");
  blobs->add_flag("--reverse", args.list.newest_first, "The other way round");
  commands[blobs] = [&args](Context& context) { return RunBlobs(context, args.list); };
  for (CLI::App* list : {intents, requests, blobs}) {
    list->add_option("-n,--limit", args.list.limit, "At most so many")->type_name("N");
  }
  auto* status = app.add_subcommand("status", "Show who and how the daemon is");
  commands[status] = [](Context& context) { return RunStatus(context); };

  auto* top = app.add_subcommand("top", "Show what goes on, again every second; q quits, h helps");
  auto* once = top->add_flag("--once", args.top.once, "One frame as plain text");
  top->add_option("--count", args.top.count, "With --json: so many lines; else without end")
      ->type_name("N")
      ->excludes(once);
  commands[top] = [&args](Context& context) { return RunTop(context, args.top); };
}

void AddBlobCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* add =
      app.add_subcommand("add", "Put files into the store; a directory becomes a collection");
  add->add_option("PATH", args.add.paths, "Files or directories; - for standard input")->required();
  add->add_flag("--private", args.add.is_private, "Never serve them to other nodes");
  commands[add] = [&args](Context& context) { return RunAdd(context, args.add); };

  auto* from_url = app.add_subcommand(
      "import", "Take in a file from a web server, and print its hash; for root only");
  from_url->add_option("URL", args.import.url, "Its address, http or https")->required();
  from_url->add_flag("--private", args.import.is_private, "Never serve it to other nodes");
  from_url->add_option("--max-size", args.import.max_bytes, "Refuse more than this, as in 10GiB")
      ->transform(SizeOrBytes())
      ->type_name("SIZE");
  commands[from_url] = [&args](Context& context) { return RunImport(context, args.import); };

  auto* cat = app.add_subcommand("cat", "Write a blob to standard output");
  cat->add_option("HASH", args.hash, "The hash")->required();
  cat->add_option("--offset", args.offset, "The first byte")->type_name("BYTES");
  cat->add_option("--length", args.length, "How many bytes; 0: to the end")->type_name("BYTES");
  commands[cat] = [&args](Context& context) {
    return RunCat(context, args.hash, args.offset, args.length);
  };

  auto* exported =
      app.add_subcommand("export", "Write a blob to a file, or a collection to a directory");
  exported->add_option("WANTED", args.exported.wanted, "A hash, or s + hash for a collection")
      ->required();
  exported
      ->add_option("-o,--output", args.exported.output, "Where to write it; - for standard output")
      ->type_name("PATH")
      ->required();
  exported->add_flag("--force", args.exported.force, "Replace existing files");
  commands[exported] = [&args](Context& context) { return RunExport(context, args.exported); };
}

void AddStoreCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* imported = app.add_subcommand(
      "import-store", "Take in every complete blob of another blobd's directory, or a copy of it");
  imported
      ->add_option("DIR", args.import_store.directory,
                   "A state directory, its blobs/, or what export-store wrote")
      ->required();
  imported->add_flag("--private", args.import_store.is_private, "Never serve them to other nodes");
  imported->add_flag("--collection", args.import_store.collection,
                     "Make a collection of them, named by their hashes, and print its hash");
  commands[imported] = [&args](Context& context) {
    return RunImportStore(context, args.import_store);
  };

  auto* exported = app.add_subcommand(
      "export-store", "Write complete blobs as files HH/HASH.data, for import-store elsewhere");
  exported->add_option("DIR", args.export_store.directory, "Where to; made if it is missing")
      ->required();
  exported->add_option("WANTED", args.export_store.wanted,
                       "Hashes, s + hash for collections, or tags; else everything");
  exported->add_flag("--private", args.export_store.with_private,
                     "Of everything, private blobs too");
  commands[exported] = [&args](Context& context) {
    return RunExportStore(context, args.export_store);
  };
}

void AddSharingCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* ticket =
      app.add_subcommand("ticket", "Print a ticket with which others get a blob from here");
  ticket->add_option("WANTED", args.ticket.wanted, "A hash, or s + hash for a collection")
      ->required();
  ticket
      ->add_option("--format", args.ticket.format,
                   "raw or collection, if the hash alone does not say")
      ->check(OneOf({"raw", "collection"}))
      ->type_name("FORMAT");
  auto* addresses = ticket
                        ->add_option("--address", args.ticket.addresses,
                                     "An address of this machine; else those of its interfaces")
                        ->type_name("IP:PORT")
                        ->expected(1)
                        ->take_all();
  auto* none = ticket->add_flag("--no-addresses", args.ticket.no_addresses, "Name the node only")
                   ->excludes(addresses);
  ticket->add_flag("--loopback", args.ticket.loopback, "Also for nodes on this machine")
      ->excludes(none);
  commands[ticket] = [&args](Context& context) { return RunTicket(context, args.ticket); };

  auto* hide = app.add_subcommand("private", "Serve a blob, or a collection, to nobody any more");
  hide->add_option("WANTED", args.paths, "Hashes, or s + hash for collections")->required();
  hide->add_flag("--off", args.publish, "Serve it again; for root only");
  commands[hide] = [&args](Context& context) {
    return RunPrivate(context, args.paths, !args.publish);
  };

  auto* remotes = app.add_subcommand("remotes", "List the nodes that are known");
  remotes->require_subcommand(0, 1);
  remotes->add_option("-n,--limit", args.list.limit, "At most so many")->type_name("N");
  auto* watch =
      remotes->add_flag("-w,--watch", args.watch, "Show them, and what changes, until interrupted");
  AddStateOption(remotes, &args.list, RemoteStateWords());
  remotes->get_option("--state")->excludes(watch);
  remotes->add_flag("--banned", args.list.banned, "Only those that are banned")->excludes(watch);
  commands[remotes] = [&args](Context& context) {
    return args.watch ? RunWatchRemotes(context, "") : RunRemotes(context, args.list);
  };
  auto* remote = app.add_subcommand("remote", "Show a node: its addresses, and who told them");
  remote->add_option("NODE_ID", args.hash, "The node")->required();
  remote->add_flag("-w,--watch", args.watch, "Show it again with every change, until interrupted");
  commands[remote] = [&args](Context& context) {
    return args.watch ? RunWatchRemotes(context, args.hash) : RunRemote(context, args.hash);
  };

  auto* forget = remotes->add_subcommand(
      "forget", "Forget a node's addresses, and what went wrong with it; for root only");
  forget->add_option("NODE_ID", args.hash, "The node")->required();
  commands[forget] = [&args](Context& context) { return RunForgetRemote(context, args.hash); };
  auto* disconnect = remotes->add_subcommand(
      "disconnect", "Close the connections with a node, its own too; for root only");
  disconnect->add_option("NODE_ID", args.hash, "The node")->required();
  commands[disconnect] = [&args](Context& context) {
    return RunDisconnectRemote(context, args.hash);
  };

  auto* add = remotes->add_subcommand("add", "Say where a node may be reached; for root only");
  add->add_option("NODE_ID", args.hash, "The node")->required();
  add->add_option("ADDRESS", args.paths, "IP:PORT or [IPV6]:PORT")->required();
  commands[add] = [&args](Context& context) {
    return RunAddRemote(context, args.hash, args.paths);
  };
}

void AddConfigCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* config = app.add_subcommand("config", "Show the daemon's configuration");
  config->require_subcommand(1);
  auto* dump = config->add_subcommand(
      "dump", "Print what is in force, as a file of the configuration, and who said it");
  dump->add_option("PREFIX", args.config.prefix, "Only this key or table, as in limits");
  dump->add_flag("--changed", args.config.changed, "Only what is not the default");
  commands[dump] = [&args](Context& context) { return RunConfigDump(context, args.config); };
  auto* diff = config->add_subcommand(
      "diff", "Show what is written otherwise than it is in force; for root only");
  commands[diff] = [](Context& context) { return RunConfigDiff(context); };

  auto* reload =
      app.add_subcommand("reload", "Have the daemon read its configuration again; for root only");
  reload->add_flag("--dry-run", args.config.dry_run, "Only say what would become of each key");
  commands[reload] = [&args](Context& context) { return RunReload(context, args.config); };
}

void AddControlCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* limits = app.add_subcommand("limits", "Show limits, or change them at once");
  limits->add_option(
      "SETTING", args.limits.changes,
      "NAME=VALUE, as in connections=50, download_rate=10MB/s or upload_rate=off; for root");
  limits
      ->add_option("--reset", args.limits.reset,
                   "Back to what the configuration says; \"all\" resets all")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  limits->add_flag("--persist", args.limits.persist, "The new values stay over restarts");
  commands[limits] = [&args](Context& context) { return RunLimits(context, args.limits); };

  AddConfigCommands(app, args, commands);

  auto* drain = app.add_subcommand(
      "drain", "Bring downloads to rest before a stop, and wait for that; for root only");
  commands[drain] = [](Context& context) { return RunDrain(context); };

  auto* ban =
      app.add_subcommand("ban", "Get nothing from a node or mirror any more; for root only");
  ban->add_option("PROVIDER", args.ban.provider, "A node id or a URL")->required();
  ban->add_option("--for", args.ban.length_ms,
                  "For how long, as in 12h; else an hour, or longer "
                  "with each repeat")
      ->transform(Time())
      ->type_name("TIME");
  ban->add_option("--reason", args.ban.reason, "For people")->type_name("TEXT");
  commands[ban] = [&args](Context& context) { return RunBan(context, args.ban); };
  auto* unban = app.add_subcommand("unban", "Lift a ban; for root only");
  unban->add_option("PROVIDER", args.ban.provider, "A node id or a URL")->required();
  commands[unban] = [&args](Context& context) { return RunUnban(context, args.ban.provider); };
  auto* bans = app.add_subcommand("bans", "List who is banned, for how long and why");
  bans->add_option("-n,--limit", args.list.limit, "At most so many")->type_name("N");
  commands[bans] = [&args](Context& context) { return RunBans(context, args.list); };
}

void AddTagCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* tag = app.add_subcommand("tag", "Give content a name, which keeps it; or move the name");
  tag->add_option("NAME", args.tag.name, "The tag")->required();
  tag->add_option("WANTED", args.tag.wanted, "A hash, s + hash, a ticket or another tag");
  tag->add_option("--format", args.tag.format, "raw or collection, if the hash alone does not say")
      ->check(OneOf({"raw", "collection"}))
      ->type_name("FORMAT");
  tag->add_flag("--private", args.tag.is_private,
                "Show others not what it names, and serve that to no node");
  auto* only_new = tag->add_flag("--new", args.tag.only_new, "Only if there is no such tag");
  tag->add_option("--expect", args.tag.expected, "Only if it names this hash now")
      ->type_name("HASH")
      ->excludes(only_new);
  tag->add_flag("-d,--delete", args.tag.remove, "Take the name away; the content stays until gc")
      ->excludes(only_new);
  commands[tag] = [&args](Context& context) { return RunTag(context, args.tag); };

  auto* tags = app.add_subcommand("tags", "List tags");
  tags->add_option("PREFIX", args.hash, "Only those whose names begin so");
  tags->add_option("-n,--limit", args.list.limit, "At most so many")->type_name("N");
  commands[tags] = [&args](Context& context) { return RunTags(context, args.hash, args.list); };
}

void AddKeepingCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* gc = app.add_subcommand("gc", "Remove what nothing keeps; for root only");
  gc->add_flag("--dry-run", args.gc.dry_run, "Only say what would go, and why the rest stays");
  gc->add_option("--to", args.gc.to_bytes, "Stop when the store has no more than this, as in 10GiB")
      ->transform(Size())
      ->type_name("SIZE");
  commands[gc] = [&args](Context& context) { return RunGc(context, args.gc); };

  auto* remove = app.add_subcommand("rm", "Remove blobs that nothing keeps");
  remove->add_option("HASH", args.paths, "Hashes or tags")->required();
  remove->add_flag("--force", args.force, "Also what is kept; for root only");
  commands[remove] = [&args](Context& context) {
    return RunRemove(context, args.paths, args.force);
  };

  auto* why =
      app.add_subcommand("why", "Say what an intent or a hash waits for, and why a blob is kept");
  why->add_option("WHAT", args.hash, "A hash, a tag or an intent's id")->required();
  commands[why] = [&args](Context& context) { return RunWhy(context, args.hash); };

  auto* verify =
      app.add_subcommand("verify", "Hash blobs again, and get again what does not fit any more");
  auto* named = verify->add_option("HASH", args.paths, "Hashes or tags");
  verify->add_flag("--all", args.all, "Every blob that is here")->excludes(named);
  commands[verify] = [&args](Context& context) { return RunVerify(context, args.paths, args.all); };
}

void AddRegistryCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* backup = app.add_subcommand(
      "backup", "Write a copy of the registry (intents, providers, tags) to a file; for root only");
  backup->add_option("FILE", args.paths, "A new file")->required()->expected(1);
  commands[backup] = [&args](Context& context) { return RunBackup(context, args.paths.front()); };

  auto* registry = app.add_subcommand("registry", "Mend the daemon's registry");
  registry->require_subcommand(1);
  auto* recover = registry->add_subcommand(
      "recover", "Save what can be read of a damaged registry and go on; for root only");
  commands[recover] = [](Context& context) { return RunRecoverRegistry(context); };
}

// Those that need no daemon.
void AddLocalCommands(CLI::App& app, Arguments& args, CommandMap& commands) {
  auto* outboard = app.add_subcommand(
      "outboard", "Write a file's hash tree beside it, for a web server that has both");
  outboard->add_option("FILE", args.outboard.files, "Regular files")->required();
  outboard->add_option("-o,--output", args.outboard.output, "Where, if not to FILE.obao4")
      ->type_name("PATH");
  outboard->add_flag("--force", args.outboard.force, "Replace an existing file");
  commands[outboard] = [&args](Context& context) { return RunOutboard(context, args.outboard); };

  auto* doctor =
      app.add_subcommand("doctor", "Look at what one stumbles over, and say what to do about it");
  commands[doctor] = [](Context& context) { return RunDoctor(context); };

  auto* dashboard = app.add_subcommand(
      "dashboard",
      "Serve a page that shows what goes on, to a browser on this machine; Ctrl-C ends");
  dashboard->add_option("--port", args.port, "The port; else any that is free")
      ->check(Port())
      ->type_name("N");
  commands[dashboard] = [&args](Context& context) {
    if (args.offline) {
      return Fail(InvalidArgument(
          "the dashboard shows what a running daemon does; of a stopped one, --offline lists "
          "intents, transfers and blobs"));
    }
    return RunDashboard(context, args.port);
  };

  auto* completion =
      app.add_subcommand("completion", "Print what a shell needs to complete blobctl");
  completion->add_option("SHELL", args.shell, "bash, zsh or fish")
      ->required()
      ->check(OneOf({"bash", "zsh", "fish"}));
  commands[completion] = [&args](Context& context) { return RunCompletion(context, args.shell); };
  auto* version = app.add_subcommand("version", "Print the version of blobctl");
  commands[version] = [](Context& context) { return RunVersion(context); };
}

}  // namespace

void AddGlobalOptions(CLI::App& app, Arguments& args) {
  app.add_option("--socket", args.socket, "The daemon's socket")->type_name("PATH");
  app.add_option("--timeout", args.timeout_ms,
                 "How long to wait for the daemon's answers, as in 30s")
      ->transform(Time())
      ->type_name("TIME");
  auto* offline = app.add_flag("--offline", args.offline, "Read what a stopped daemon left behind");
  app.add_option("--state-dir", args.state_dir, "Where that is")->type_name("DIR")->needs(offline);
  app.add_option("--json", args.json, "Machine-readable output: pretty, short or off")
      ->check(OneOf({"auto", "pretty", "short", "off"}))
      ->type_name("[=FORM]");
  app.add_flag("-q,--quiet", args.quiet, "Ids, hashes or tickets only");
  app.add_flag("-l,--full", args.full, "Hashes in full, and nothing cut to the terminal's width");
  app.add_flag("--no-legend", args.no_legend, "Tables without their head");
  app.add_flag("--no-pager", args.no_pager, "Nothing: there is no pager")->group("");
}

Commands AddCommands(CLI::App& app, Arguments& args) {
  Commands commands;
  const auto group = [&app](const char* name, const std::function<void()>& add) {
    const auto before = app.get_subcommands([](const CLI::App*) { return true; }).size();
    add();
    const auto all = app.get_subcommands([](CLI::App*) { return true; });
    for (size_t i = before; i < all.size(); ++i) all[i]->group(name);
  };
  group("Downloads", [&] { AddDownloadCommands(app, args, commands.remote); });
  group("Lists", [&] { AddListCommands(app, args, commands.remote); });
  group("Content", [&] {
    AddBlobCommands(app, args, commands.remote);
    AddStoreCommands(app, args, commands.remote);
    AddKeepingCommands(app, args, commands.remote);
    AddTagCommands(app, args, commands.remote);
  });
  group("Sharing", [&] { AddSharingCommands(app, args, commands.remote); });
  group("Daemon", [&] {
    AddControlCommands(app, args, commands.remote);
    AddRegistryCommands(app, args, commands.remote);
    AddLocalCommands(app, args, commands.local);
  });
  return commands;
}

}  // namespace blobd::client
