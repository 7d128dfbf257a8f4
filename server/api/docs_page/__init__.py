"""The page that shows the API to people: a template, a style sheet and the words of two tongues."""
