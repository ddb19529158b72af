# Completion of lobbyctl in bash. lobbyctl itself knows the words; labels and host names it asks the daemon for.
if command -v lobbyctl >/dev/null; then
    source <(COMPLETE=bash lobbyctl)
fi

_lobbyctl() {
    local cur prev words cword
    if declare -F _get_comp_words_by_ref >/dev/null; then
        # For bash a colon and an equals sign part words, but not for lobbyctl.
        _get_comp_words_by_ref -n := cur prev words cword
        local COMP_WORDS=("${words[@]}") COMP_CWORD=$cword
        _clap_complete_lobbyctl "$1" "$cur" "$prev"
        # What stands before the last of them is no part of the word that bash puts in.
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*[:=]}"}"}")
    else
        _clap_complete_lobbyctl "$@"
    fi
}
complete -o nospace -o bashdefault -o nosort -F _lobbyctl lobbyctl
