# The login shell; what is interactive is in .bashrc.
[ -n "${BASH_VERSION:-}" ] && [ -r ~/.bashrc ] && . ~/.bashrc
