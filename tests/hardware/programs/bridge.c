/*
 * bridge DEVICE SOCKET: bytes between a serial line and a UNIX stream socket, both ways, until one of them ends.
 * It ends, with 0, when it is ready; a child of it does the work. What came by the line before is thrown away.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int pass(int from, int to)
{
    char bytes[4096];
    ssize_t got = read(from, bytes, sizeof bytes);
    for (ssize_t done = 0; done < got;) {
        ssize_t put = write(to, bytes + done, (size_t)(got - done));
        if (put <= 0)
            return 0;
        done += put;
    }
    return got > 0;
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, words[2], sizeof address.sun_path - 1);
    int line = open(words[1], O_RDWR | O_NOCTTY), end = socket(AF_UNIX, SOCK_STREAM, 0);
    struct termios raw;
    if (line < 0 || tcgetattr(line, &raw) || connect(end, (struct sockaddr *)&address, sizeof address)) {
        perror("bridge");
        return 1;
    }
    cfmakeraw(&raw);
    cfsetspeed(&raw, B115200);
    tcsetattr(line, TCSAFLUSH, &raw);
    pid_t worker = fork();
    if (worker != 0)
        return worker < 0;
    struct pollfd both[2] = {{line, POLLIN, 0}, {end, POLLIN, 0}};
    while (poll(both, 2, -1) > 0) {
        if ((both[0].revents && !pass(line, end)) || (both[1].revents && !pass(end, line)))
            return 0;
    }
    return 1;
}
