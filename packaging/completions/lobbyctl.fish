# Completion of lobbyctl in fish. lobbyctl itself knows the words; labels and host names it asks the daemon for.
COMPLETE=fish lobbyctl | source
