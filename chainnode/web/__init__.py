"""Pages for people, rendered here, in Chinese and English; they load nothing from outside."""
