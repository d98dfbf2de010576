#include "vt52.h"

#include <string.h>

enum { TEXT, ESCAPE, ROW, COLUMN };

static void clear(struct vt52 *v, int row, int col)
{
	for (; row < v->rows; row++, col = 0)
		memset(v->text[row] + col, ' ', (size_t)(v->cols - col));
}

void vt52_init(struct vt52 *v, int rows, int cols)
{
	*v = (struct vt52){ .rows = rows, .cols = cols };
	clear(v, 0, 0);
}

static void scroll(struct vt52 *v)
{
	if (++v->row < v->rows)
		return;
	v->row = v->rows - 1;
	memmove(v->text[0], v->text[1], sizeof(v->text[0]) * (size_t)(v->rows - 1));
	clear(v, v->row, 0);
}

static void move(struct vt52 *v, int rows, int cols)
{
	int row = v->row + rows, col = v->col + cols;

	v->row = row < 0 ? 0 : row < v->rows ? row : v->rows - 1;
	v->col = col < 0 ? 0 : col < v->cols ? col : v->cols - 1;
}

static void on_escape(struct vt52 *v, char c)
{
	v->state = c == 'Y' ? ROW : TEXT;
	switch (c) {
	case 'A':
		move(v, -1, 0);
		break;
	case 'B':
		move(v, 1, 0);
		break;
	case 'C':
		move(v, 0, 1);
		break;
	case 'D':
		move(v, 0, -1);
		break;
	case 'H':
		v->row = v->col = 0;
		break;
	case 'J':
		clear(v, v->row, v->col);
		break;
	case 'K':
		memset(v->text[v->row] + v->col, ' ', (size_t)(v->cols - v->col));
		break;
	case 'Y':
	case '=': /* its keypad */
	case '>':
	case 'F': /* its characters for lines */
	case 'G':
		break;
	default:
		v->strange = true;
		break;
	}
}

static void on_text(struct vt52 *v, char c)
{
	switch (c) {
	case 27:
		v->state = ESCAPE;
		break;
	case '\r':
		v->col = 0;
		break;
	case '\n':
		scroll(v);
		break;
	case '\b':
		move(v, 0, -1);
		break;
	case '\t':
		move(v, 0, 8 - v->col % 8);
		break;
	default:
		v->strange |= c < ' ' || c > '~';
		v->text[v->row][v->col] = c;
		move(v, 0, 1); /* it has no margin to wrap at */
		break;
	}
}

void vt52_feed(struct vt52 *v, const char *data, size_t size)
{
	for (; size; size--, data++)
		switch (v->state) {
		case ESCAPE:
			on_escape(v, *data);
			break;
		case ROW:
			v->row = 0;
			move(v, *data - ' ', 0);
			v->state = COLUMN;
			break;
		case COLUMN:
			v->col = 0;
			move(v, 0, *data - ' ');
			v->state = TEXT;
			break;
		default:
			on_text(v, *data);
			break;
		}
}

const char *vt52_row(const struct vt52 *v, const char *text)
{
	for (int i = 0; i < v->rows; i++)
		if (strstr(v->text[i], text))
			return v->text[i];
	return NULL;
}
