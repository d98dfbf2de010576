/* countdown - wait some seconds before a person is asked again */
#ifndef TAZ_BASE_COUNTDOWN_H
#define TAZ_BASE_COUNTDOWN_H

/*
 * countdown_wait - wait @sec seconds, and show them on the terminal when there is one
 *
 * Meanwhile nothing that is typed is shown: it may be a passphrase that was begun too early, and it
 * is thrown away. A signal that ends us restores the terminal first.
 */
void countdown_wait(unsigned sec);

#endif
