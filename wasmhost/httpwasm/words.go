package httpwasm

import "strings"

// words makes strings of what guests write. Many are cut from one piece of memory, for
// one allocation; a piece is small, since one word that somebody keeps keeps all of it.
type words struct{ piece strings.Builder }

const pieceSize = 1 << 10

// text returns a copy of b.
func (w *words) text(b []byte) string {
	at := w.room(len(b))
	if at < 0 {
		return string(b)
	}
	w.piece.Write(b)
	return w.piece.String()[at:]
}

// name returns b in lower case.
func (w *words) name(b []byte) string {
	at := w.room(len(b))
	if at < 0 {
		return strings.ToLower(string(b)) // no name of a field is that long
	}
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		w.piece.WriteByte(c)
	}
	return w.piece.String()[at:]
}

// room makes room for n bytes, and returns where they begin; -1: they are too many.
func (w *words) room(n int) int {
	if n > pieceSize/4 {
		return -1
	}
	if w.piece.Cap()-w.piece.Len() < n {
		w.piece = strings.Builder{}
		w.piece.Grow(pieceSize)
	}
	return w.piece.Len()
}
