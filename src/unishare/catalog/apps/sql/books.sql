CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE books (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES authors, title TEXT NOT NULL, year INTEGER NOT NULL);
INSERT INTO authors VALUES (1, 'Jane Austen'), (2, 'Mary Shelley'), (3, 'George Eliot'), (4, 'Virginia Woolf'), (5, 'Toni Morrison');
INSERT INTO books (author, title, year) VALUES
    (1, 'Emma', 1815), (2, 'Frankenstein', 1818), (3, 'Middlemarch', 1871), (4, 'Mrs Dalloway', 1925), (4, 'Orlando', 1928), (5, 'Beloved', 1923);
CREATE INDEX books_by_author ON books (author);
