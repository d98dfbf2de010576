# The interactive shell of a workshop. Nothing here knows about the vault: there is no hook to fool.
case $- in *i*) ;; *) return ;; esac

# Command lines hold secrets ("export TOKEN=..."): they stay in this shell's memory.
unset HISTFILE
HISTCONTROL=ignoreboth
export LESSHISTFILE=-

export EDITOR=nvim VISUAL=nvim PAGER=less
shopt -s checkwinsize globstar

alias ls='eza --group-directories-first'
alias ll='eza -l --git --group-directories-first'
alias vi=nvim vim=nvim

[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
[ -r /usr/share/doc/fzf/examples/key-bindings.bash ] &&
	. /usr/share/doc/fzf/examples/key-bindings.bash
# In a slow guest a prompt without git beats a prompt that complains.
export STARSHIP_LOG=error
command -v starship >/dev/null && eval "$(starship init bash)"
