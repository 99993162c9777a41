# Completion of blobctl for fish: its commands and options as its own help lists them; ids, hashes and tags as the
# daemon knows them, if it says so within 300 ms (or BLOBCTL_COMPLETION_SECONDS).
#
# Tags are other people's text: lines of a command's output are candidates and nothing else, and fish quotes what it
# inserts.

function __blobctl_ask
    set -l seconds 0.3
    set -q BLOBCTL_COMPLETION_SECONDS; and set seconds $BLOBCTL_COMPLETION_SECONDS
    timeout $seconds blobctl $argv 2>/dev/null
end

# The words that --state of a list takes, which its help has behind a colon.
function __blobctl_states
    blobctl $argv --help 2>/dev/null | sed -n '/--state/,/--[^s]/p' | tr -d '\n' | sed 's/.*stand so: *//; s/  *-.*//' |
        grep -o '\<[a-z][a-z-]*'
end

# The command that stands on the line; nothing if there is none yet.
function __blobctl_command
    set -l words (commandline -opc)
    set -l i 2
    while test $i -le (count $words)
        switch $words[$i]
            case --socket --state-dir --timeout
                set i (math $i + 1)
            case '-*'
            case '*'
                echo $words[$i]
                return
        end
        set i (math $i + 1)
    end
end

function __blobctl_offer
    set -l words (commandline -opc)
    set -l command (__blobctl_command)
    switch $words[-1]
        case --socket --state-dir -o --output
            __fish_complete_path (commandline -ct)
            return
        case --priority
            printf '%s\n' background normal urgent
            return
        case --format
            printf '%s\n' raw collection
            return
        case --state
            __blobctl_states $command
            return
    end
    if string match -q -- '-*' (commandline -ct)
        begin
            blobctl --help
            blobctl $command --help
        end 2>/dev/null | string match -ra -- '--[a-z-]+' | sort -u
        return
    end
    switch "$command"
        case ''
            blobctl --help 2>/dev/null | sed -n '/^Commands:/,/^$/p' | grep -o '\<[a-z][a-z-]*'
        case cancel pause resume watch
            __blobctl_ask -q intents
        case get queue cat export rm verify why private ticket nodes-have
            # A daemon that hangs is not asked twice.
            __blobctl_ask -q tags
            and __blobctl_ask -q blobs --limit 10000
        case tag tags
            __blobctl_ask -q tags
        case unban
            __blobctl_ask -q bans
        case remotes
            printf '%s\n' add disconnect forget
        case config
            printf '%s\n' dump diff
        case transfer
            if test $words[-1] = transfer
                printf '%s\n' show cancel
            else
                __blobctl_ask -q transfers
            end
        case registry
            echo recover
        case completion
            printf '%s\n' bash zsh fish
        case add import-store export-store backup outboard
            __fish_complete_path (commandline -ct)
    end
end

complete -c blobctl -f -a '(__blobctl_offer)'
