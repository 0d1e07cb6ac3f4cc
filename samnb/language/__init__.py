"""From captions to phrases worth asking about: mining, cleaning, ontology, hard negatives."""
