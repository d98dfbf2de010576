/*
 * outside_tty - a terminal of its own for a command that is run outside
 *
 * Who has a session's terminal open can read what is typed on it, also later, and from elsewhere.
 *So the command gets another one, made for it, and this process, which stays in the session, passes
 * bytes between the two: keys (while we are in the foreground and our output is a terminal), what
 *is shown, the size, and stops and continues as a shell's job does.
 *
 *	this process (a member)	 -- pty --  monitor (outside: leads the new terminal's session)
 *					       '- command
 *
 * The monitor is there because a command that is stopped must have a parent in its own session, or
 * the kernel ignores Ctrl+Z as for every orphan. Source: setpgid(2), termios(3), tty_ioctl(4).
 */
#ifndef TAZ_ENCLAVE_OUTSIDE_TTY_H
#define TAZ_ENCLAVE_OUTSIDE_TTY_H

/*
 * outside_tty_run - run @start in a child on a terminal of its own, to its end
 * @tty: our terminal, open for reading and writing; borrowed
 * @start: becomes the monitor: its streams that were terminals are the new one, named @own_tty;
 *@peers is for outside_enter(); does not return
 *
 * Returns the monitor's exit status (128 + N: signal N ended it), or -errno: nothing ran.
 */
int outside_tty_run(int tty, void (*start)(const char *own_tty, int peers, void *arg), void *arg);

/*
 * outside_tty_lead - in the monitor: start a command in the foreground of our terminal, to its end
 * @run: executes it, in a child; does not return
 * Returns what to exit with: its status, or 128 + N; or -errno: it was not started.
 */
int outside_tty_lead(void (*run)(void *arg), void *arg);

#endif
